package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/cluster/clustertest"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

func raising(row eventlog.Row) *message {
	return &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{}, {Rows: []eventlog.Row{{Key: "key/1"}, row}}}}
}

// A message has the level that it is written with, and is read up to the newest one. So is one that raises the level.
func TestLevelsOfMessages(t *testing.T) {
	t.Parallel()
	bad := func(value string) *message {
		return raising(eventlog.Row{Key: rows.Level + "used", Value: []byte(value)})
	}
	for _, c := range []struct {
		name           string
		m              *message
		level          int
		encode, decode string // what the errors say
	}{
		{name: "the oldest", m: goldenMessage(), level: Oldest},
		{name: "the newest", m: goldenMessage(), level: Newest},
		{name: "one more", m: goldenMessage(), level: Newest + 1, decode: fmt.Sprintf("has the format %d, this gateway reads formats up to %d", Newest+1, Newest)},
		{name: "none", m: goldenMessage(), level: 0, decode: "has the format 0"},
		{name: "raised", m: raising(LevelRow(Newest)), level: Oldest},
		{name: "raised by one more", m: raising(LevelRow(Newest + 1)), level: Oldest, decode: fmt.Sprintf("all write the format %d", Newest+1)},
		{name: "raised to nothing", m: bad("x"), level: Oldest, encode: "cannot be read"},
		{name: "raised to 0", m: bad("0"), level: Oldest, encode: "cannot be read"},
	} {
		b, err := encode(c.m, c.level)
		if c.encode != "" {
			if err == nil || !strings.Contains(err.Error(), c.encode) {
				t.Errorf("%s: encoded: %v", c.name, err)
			}
			continue
		}
		if err != nil || b[0] != byte(c.level) {
			t.Errorf("%s: %x %v", c.name, b, err)
			continue
		}
		_, err = decode(b)
		if c.decode == "" && err != nil || c.decode != "" && (!errors.Is(err, errVersion) || !strings.Contains(err.Error(), c.decode)) {
			t.Errorf("%s: decoded: %v", c.name, err)
		}
	}
}

// A gateway writes the level that it is set to. It stops at the message that raises the level to one that it does not know, says so, and
// passes on nothing of it.
func TestRaisedLevel(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	stopped := make(chan error, 1)
	j := opened(t, b, 1, Options{Birth: birth, Stopped: func(err error) { stopped <- err }})
	propose(t, j, proposal(1, `"known"`))
	expect(t, j, `"known"`)
	propose(t, j, &eventlog.Proposal{Number: 2, Requests: []*eventlog.Request{{Rows: []eventlog.Row{LevelRow(Newest + 1)}}}})
	clustertest.Until(t, func() error {
		if err := j.Health(); !errors.Is(err, errVersion) || len(stopped) == 0 {
			return fmt.Errorf("the health is %w, and it was told %d times", err, len(stopped))
		}
		return nil
	})
	if err := <-stopped; !errors.Is(err, errVersion) {
		t.Errorf("it stops with %v", err)
	}
	j.SetLevel(Newest + 1)
	propose(t, j, proposal(3, `"new"`))
	clustertest.Until(t, func() error {
		s, err := readOne(bounded(t), b, 4)
		if err == nil && s.data[len(b.Seal("", nil))] != Newest+1 {
			t.Errorf("the message is %x", s.data)
		}
		return err
	})
	after := make(chan int)
	go func() { after <- len(j.Next()) }() // ends with the journal
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-after; n != 0 {
		t.Errorf("%d requests of it came out", n)
	}
}
