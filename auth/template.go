package auth

import (
	"strings"

	"sluice/channel"
)

// placeholder stands for a token's subject in JWT_DEFAULT_SUB and JWT_DEFAULT_PUB.
const placeholder = "{sub}"

// defaults has the patterns of JWT_DEFAULT_SUB or JWT_DEFAULT_PUB.
type defaults struct {
	fixed     channel.Set
	templates []template // those with a placeholder
}

// newDefaults reads patterns that config has already checked. An invalid one grants nothing.
func newDefaults(list []string) defaults {
	var d defaults
	var fixed []channel.Pattern
	for _, text := range list {
		switch p, err := channel.Parse(text); {
		case err != nil:
		case strings.Contains(text, placeholder):
			d.templates = append(d.templates, template{text, p})
		default:
			fixed = append(fixed, p)
		}
	}
	d.fixed = channel.NewSet(fixed...)
	return d
}

// of returns the patterns for a subject.
func (d *defaults) of(subject string) channel.Set {
	var own []channel.Pattern
	for _, t := range d.templates {
		if p, ok := t.of(subject); ok {
			own = append(own, p)
		}
	}
	return d.fixed.Union(channel.NewSet(own...))
}

// template is a pattern with a placeholder inside one of its names. {sub} is itself a valid name. So the pattern, with its
// space, kinds and method, is parsed before any subject is known.
type template struct {
	text    string
	pattern channel.Pattern
}

// of returns the pattern for a subject. It returns false if the subject would change more than a name. That is so if the
// subject has syntax of patterns, such as : or *, or if a name would become a method.
func (t *template) of(subject string) (channel.Pattern, bool) {
	if channel.CheckName(subject) != nil {
		return channel.Pattern{}, false
	}
	inside := func(name string) string { return strings.ReplaceAll(name, placeholder, subject) }
	want := t.pattern
	want.Space, want.Left.Text, want.Right.Text = inside(want.Space), inside(want.Left.Text), inside(want.Right.Text)
	if channel.IsMethod(want.Left.Text) != channel.IsMethod(t.pattern.Left.Text) {
		return channel.Pattern{}, false
	}
	got, err := channel.Parse(inside(t.text))
	return want, err == nil && got == want
}
