package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/channel"
)

// A subject is text inside one name of a configured pattern, or grants nothing.
func TestSubjectIsText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, subject, want string }{ // "": nothing
		{"{sub}", "42", "42"},
		{"{sub}", "{sub}", "{sub}"},
		{"{sub}", "$db/demo", ""},
		{"{sub}", "$room/x", ""},
		{"{sub}", "$x", ""},
		{"{sub}", "put", ""},
		{"{sub}", "POST", ""},
		{"{sub}", "a:b", ""},
		{"{sub}", "PUT:customer", ""},
		{"{sub}", "*", ""},
		{"{sub}", "x*", ""},
		{"{sub}", "", ""},
		{"{sub}", " x", ""},
		{"{sub}", "a,b", ""},
		{"{sub}", "a\nb", ""},
		{"{sub}", strings.Repeat("x", 129), ""},
		{"{sub}", "ping", "ping"},
		{"{sub}*", "PU", "PU*"},
		{"{sub}*", "$db/demo", ""},
		{"{sub}:x", "42", "42:x"},
		{"{sub}:x", "PUT", ""},
		{"{sub}:x", "patch", ""},
		{"{sub}:x", "Delete", ""},
		{"{sub}:x", "$db/demo", ""},
		{"{sub}:*", "POST", ""},
		{"PU{sub}:x", "T", ""},
		{"P{sub}:x", "ATCH", ""},
		{"P{sub}:x", "AT", "PAT:x"},
		{"PUT:{sub}", "42", "PUT:42"},
		{"put:{sub}", "$db/demo", "PUT:$db/demo"}, // a collection of that name, in no space
		{"PUT:{sub}", "PUT", "PUT:PUT"},
		{"PUT:{sub}*", "a", "PUT:a*"},
		{"$db/{sub}", "demo", "$db/demo"},
		{"$db/{sub}", "demo:put", ""},
		{"$db/{sub}", "*", ""},
		{"$db/{sub}:{sub}", "a", "$db/a:a"},
		{"$db/demo:{sub}", "42", "$db/demo:42"},
		{"$db/demo:{sub}", "put", ""},
		{"$db/demo:{sub}", "PUT", ""},
		{"$room/{sub}", "x", "$room/x"},
		{"{sub}/demo", "$db", ""},
		{"chat-{sub}-*", "a", "chat-a-*"},
		{"chat-{sub}-*", "*", ""},
		{"chat-{sub}", strings.Repeat("x", 124), ""},
		{"{sub}:{sub}", "a", "a:a"},
		{"{sub}:{sub}", "PUT", ""},
	} {
		a := newAuth(t, Options{Secrets: []string{testSecret}, DefaultSub: []string{tt.pattern, "news"}, DefaultPub: []string{tt.pattern}})
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, fmt.Sprintf(`{"exp":%d,"sub":%s}`, time.Now().Unix()+60, quoted(tt.subject)))}})
		if bad != nil {
			t.Errorf("%s of %q: %v", tt.pattern, tt.subject, bad)
			continue
		}
		news, _ := channel.Parse("news")
		want := channel.NewSet()
		if p, err := channel.Parse(tt.want); err == nil {
			want = channel.NewSet(p)
		}
		if sub := want.Union(channel.NewSet(news)); id.Pub.String() != want.String() || id.Sub.String() != sub.String() {
			t.Errorf("%s of %q: sub %q pub %q, want %q", tt.pattern, tt.subject, id.Sub, id.Pub, tt.want)
		}
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` }

// For every pattern and subject, either nothing is granted, or the granted pattern matches exactly the events that the
// template's space and sides match with the subject as text.
func TestSubjectModel(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"{sub}", "{sub}", "a", "chat-", "$db/", "$room/", "demo", "PUT", "post", "PU", "T", "$", "-", "ping"})
	name := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 1, 3).Draw(t, "pieces"), "") })
	side := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"*", "PUT", "POST", name.Draw(t, "name"), name.Draw(t, "prefix") + "*"}).Draw(t, "side")
	})
	subject := rapid.OneOf(
		rapid.SampledFrom([]string{"", "*", "x*", "$db/demo", "$room/a", "put", "PUT", "POST", "delete", "PATCH", "a:b", ":", "a,b", "T", "demo", "ping", "{sub}", " "}),
		rapid.StringN(0, 4, 16), name)
	rapid.Check(t, func(t *rapid.T) {
		text := side.Draw(t, "left")
		if rapid.Bool().Draw(t, "two sides") {
			text += ":" + side.Draw(t, "right")
		}
		if rapid.Bool().Draw(t, "spaced") {
			text = rapid.SampledFrom([]string{"$db/demo", "$db/{sub}", "$room/{sub}"}).Draw(t, "space") + ":" + side.Draw(t, "type")
		}
		s := subject.Draw(t, "subject")
		d := newDefaults([]string{text})
		granted := d.of(s)
		if granted.Empty() || !strings.Contains(text, placeholder) {
			return
		}
		const harmless = "42"
		sample := newDefaults([]string{strings.ReplaceAll(text, placeholder, harmless)})
		if n := granted.Len(); n != 1 || sample.fixed.Len() != 1 {
			t.Fatalf("%q of %q grants %q", text, s, granted)
		}
		got, like := slices.Collect(granted.Patterns())[0], slices.Collect(sample.fixed.Patterns())[0]
		// The sample's shape, and the subject only where the sample has its own.
		of := func(name string) string { return strings.ReplaceAll(name, harmless, s) }
		if got.Left.Kind != like.Left.Kind || got.Right.Kind != like.Right.Kind || got.Space != of(like.Space) ||
			got.Left.Text != of(like.Left.Text) || got.Right.Text != of(like.Right.Text) {
			t.Fatalf("%q of %q grants %q, which has another shape than %q", text, s, got, like)
		}
		for _, c := range []channel.Channel{
			channel.Of("", "put", "x"), channel.Of("", "post", "a"), channel.Of("", "delete", "demo"), channel.Of("$db/demo", "a", ""), channel.Of("$db/demo", "put", ""),
			channel.Of("$room/a", "a", ""), channel.Of("", "other", ""), channel.Of("", "other", "a"),
		} {
			if got.Match(c) && channel.IsMethod(c.Left) && !like.Match(channel.Channel{Space: like.Space, Left: c.Left, Collection: strings.ReplaceAll(c.Collection, s, harmless)}) {
				t.Fatalf("%q of %q grants the method %s", text, s, c)
			}
			if got.Match(c) && c.Space != of(like.Space) {
				t.Fatalf("%q of %q reaches %s", text, s, c)
			}
		}
	})
}
