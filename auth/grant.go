package auth

import (
	"errors"
	"fmt"
	"strings"

	"sluice/broker/channel"
)

// Grant is what a credential may do, as it is written: patterns of channels to subscribe to and to publish on, and
// METHOD:collection of documents to read and write.
type Grant struct {
	Sub  []string `json:"sub"`
	Pub  []string `json:"pub"`
	Rest []string `json:"rest"`
}

// Size is how many patterns it has: what channel.MaxGrant bounds.
func (g *Grant) Size() int { return len(g.Sub) + len(g.Pub) + len(g.Rest) }

// Check says what is wrong with a grant.
func (g *Grant) Check() error {
	_, err := g.parse()
	return err
}

// Whole is the grant with lists where it has none, as JSON is to show it.
func (g *Grant) Whole() Grant {
	return Grant{append([]string{}, g.Sub...), append([]string{}, g.Pub...), append([]string{}, g.Rest...)}
}

// sets are the patterns of a grant, read.
type sets struct{ sub, pub, rest channel.Set }

// parse reads a grant of the settings or the store; the first bad pattern is the error.
func (g *Grant) parse() (s sets, err error) {
	if g.Size() > channel.MaxGrant {
		return s, fmt.Errorf("has %d patterns; at most %d are allowed", g.Size(), channel.MaxGrant)
	}
	for _, side := range []struct {
		name string
		list []string
		read func(string) (channel.Pattern, error)
		to   *channel.Set
	}{{"sub", g.Sub, channel.Parse, &s.sub}, {"pub", g.Pub, channel.Parse, &s.pub}, {"rest", g.Rest, ParseRest, &s.rest}} {
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

// valid reads a grant of a token, in which an invalid pattern matches nothing.
func (g *Grant) valid() sets {
	return sets{valid(g.Sub, channel.Parse), valid(g.Pub, channel.Parse), valid(g.Rest, ParseRest)}
}

func valid(list []string, read func(string) (channel.Pattern, error)) channel.Set {
	var patterns []channel.Pattern
	for _, s := range list {
		if p, err := read(s); err == nil {
			patterns = append(patterns, p)
		}
	}
	return channel.NewSet(patterns...)
}

// intersect is what both grant.
func (s sets) intersect(t sets) sets {
	return sets{s.sub.Intersect(t.sub), s.pub.Intersect(t.pub), s.rest.Intersect(t.rest)}
}

// same says whether both grant the same.
func (s sets) same(t sets) bool {
	return s.sub.String() == t.sub.String() && s.pub.String() == t.pub.String() && s.rest.String() == t.rest.String()
}

// list spells the patterns.
func (s sets) list() Grant { return Grant{s.sub.List(), s.pub.List(), s.rest.List()} }

// methodGet is the left side of reading. To the patterns of channels it is a name like any other, so that
// its case would count, and GET alone would be every collection.
const methodGet = "GET"

// ParseRest reads a pattern of documents: * or METHOD:collection, in which either may be * and the collection end
// in *.
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
