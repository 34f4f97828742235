package gatewaytest

import (
	"io"
	"net/http"
	"testing"

	"sluice/broker/sse/ssetest"
)

// History is a request for history whose answer ends: its events, and how it ended.
type History struct {
	Status int
	IDs    []string
	Names  []string
	End    ssetest.Event
	Gap    string
	Live   bool
}

// History reads history to its end.
func (g *Gateway) History(t testing.TB, key, query string, headers ...string) History {
	t.Helper()
	s := g.Open(t, key, query, headers...)
	p := History{Status: s.Answer.StatusCode}
	if p.Status != http.StatusOK {
		return p
	}
	text, err := io.ReadAll(s.Answer.Body)
	if err != nil {
		t.Fatalf("%s: %v after %q", query, err, text)
	}
	events, err := s.Parser.Feed(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		switch e.Name {
		case "":
		case "ping":
		case "end":
			p.End = e
		case "gap":
			p.Gap = e.Data
		case "live":
			p.Live = true
		default:
			p.IDs, p.Names = append(p.IDs, e.ID), append(p.Names, e.Name)
		}
	}
	return p
}
