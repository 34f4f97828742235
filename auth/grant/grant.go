package grant

import (
	"errors"
	"fmt"
	"strings"

	"sluice/channel"
)

// Lists is a grant as text, as settings, tokens and answers have it.
type Lists struct {
	Sub  []string `json:"sub"`
	Pub  []string `json:"pub"`
	Rest []string `json:"rest"`
}

// Size returns the number of patterns. channel.MaxGrant is the limit.
func (l *Lists) Size() int { return len(l.Sub) + len(l.Pub) + len(l.Rest) }

// Check returns an error for an invalid grant.
func (l *Lists) Check() error {
	_, err := l.Parse()
	return err
}

// Whole returns the grant with empty lists instead of nil, so that JSON shows [] and not null.
func (l *Lists) Whole() Lists {
	return Lists{append([]string{}, l.Sub...), append([]string{}, l.Pub...), append([]string{}, l.Rest...)}
}

// Sets is a grant in the form that matches channels.
type Sets struct{ Sub, Pub, Rest channel.Set }

// Parse reads a grant of the settings or the store. Its error names the first invalid pattern.
func (l *Lists) Parse() (s Sets, err error) {
	if l.Size() > channel.MaxGrant {
		return s, fmt.Errorf("has %d patterns; at most %d are allowed", l.Size(), channel.MaxGrant)
	}
	for _, side := range []struct {
		name string
		list []string
		read func(string) (channel.Pattern, error)
		to   *channel.Set
	}{{"sub", l.Sub, channel.Parse, &s.Sub}, {"pub", l.Pub, channel.Parse, &s.Pub}, {"rest", l.Rest, ParseRest, &s.Rest}} {
		patterns := make([]channel.Pattern, 0, len(side.list))
		for _, text := range side.list {
			p, err := side.read(text)
			if err != nil {
				return s, fmt.Errorf("has in %s: %w", side.name, err)
			}
			patterns = append(patterns, p)
		}
		*side.to = channel.NewSet(patterns...)
	}
	return s, nil
}

// Valid reads the grant of a token. There, an invalid pattern is no error and matches nothing.
func (l *Lists) Valid() Sets {
	return Sets{Patterns(l.Sub, channel.Parse), Patterns(l.Pub, channel.Parse), Patterns(l.Rest, ParseRest)}
}

// Patterns reads the valid patterns of a list and ignores the others.
func Patterns(list []string, read func(string) (channel.Pattern, error)) channel.Set {
	patterns := make([]channel.Pattern, 0, len(list))
	for _, s := range list {
		if p, err := read(s); err == nil {
			patterns = append(patterns, p)
		}
	}
	return channel.NewSet(patterns...)
}

// Intersect returns what both grant.
func (s Sets) Intersect(t Sets) Sets {
	return Sets{s.Sub.Intersect(t.Sub), s.Pub.Intersect(t.Pub), s.Rest.Intersect(t.Rest)}
}

// Same reports whether both grant the same.
func (s Sets) Same(t Sets) bool {
	return s.Sub.String() == t.Sub.String() && s.Pub.String() == t.Pub.String() && s.Rest.String() == t.Rest.String()
}

// Lists returns the grant as text.
func (s Sets) Lists() Lists { return Lists{s.Sub.List(), s.Pub.List(), s.Rest.List()} }

// methodGet is the method that reads documents. channel.Parse takes it for the name of a custom event. Then its case would
// matter, and GET without a collection would match every collection. ParseRest corrects both.
const methodGet = "GET"

// ParseRest reads a pattern of documents: * or METHOD:collection. Either part may be *, and the collection may end in *.
func ParseRest(text string) (channel.Pattern, error) {
	p, err := channel.Parse(text)
	if err != nil {
		return p, err
	}
	if p.Left.Kind == channel.Exact && strings.EqualFold(p.Left.Text, methodGet) {
		p.Left.Text = methodGet
	}
	known := p.Left.Kind == channel.Open || p.Left.Kind == channel.Exact && (p.Left.Text == methodGet || channel.IsMethod(p.Left.Text))
	everything := p == channel.Pattern{}
	if p.Space != "" || !known || p.Right.Kind == channel.Open && !everything {
		if len(text) > 2*channel.MaxName {
			text = text[:2*channel.MaxName] + "…"
		}
		return p, fmt.Errorf("pattern %q: %w", text, errNotRest)
	}
	return p, nil
}

var errNotRest = errors.New("documents are granted as METHOD:collection, with GET, POST, PUT, PATCH, DELETE or * as the method, or as * for all")
