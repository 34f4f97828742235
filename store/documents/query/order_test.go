package query

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	order := Order{{Field: field("a"), Descending: true}, {Field: field("b.c")}}
	docs := []string{ // in the expected order
		`{"a":true}`, `{"a":"x","b":{"c":1}}`, `{"a":"x","b":{"c":2}}`, `{"a":"x","b":[{"c":0}]}`, `{"a":2}`, `{"a":1}`, `{"b":{"c":null}}`, `{"b":{"c":0}}`,
	}
	for i := range docs {
		for j := range docs {
			want := 0
			if i != j {
				want = 1 - 2*b2i(i < j)
			}
			a, b := []byte(docs[i]), []byte(docs[j])
			if got := order.Compare(a, b); got != want {
				t.Errorf("%s and %s compare as %d", a, b, got)
			}
			if got := bytes.Compare(order.AppendKey(nil, a), order.AppendKey(nil, b)); got != want {
				t.Errorf("the keys of %s and %s compare as %d", a, b, got)
			}
		}
	}
	checkError(t, "fields", make(Order, MaxFields).Check(), "", "")
	checkError(t, "too many", make(Order, MaxFields+1).Check(), TooMany, "the order has 101 fields: at most 100 are allowed")
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestOrderKeysSortAsDocuments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var order Order
		for range rapid.IntRange(1, 3).Draw(t, "terms") {
			f := rapid.SampledFrom([]string{"a", "b", "a.b", "#"}).Draw(t, "field")
			order = append(order, Term{field(f), rapid.Bool().Draw(t, "descending"), rapid.SampledFrom([]Rules{Mongo, SQL}).Draw(t, "rules")})
		}
		a, b := []byte(anyObject(2).Draw(t, "a")), []byte(anyObject(2).Draw(t, "b"))
		want := order.Compare(a, b)
		if got := bytes.Compare(order.AppendKey(nil, a), order.AppendKey(nil, b)); got != want {
			t.Fatalf("keys compare as %d, documents as %d", got, want)
		}
		if order.Compare(b, a) != -want {
			t.Fatal("the other way round it is not the contrary")
		}
	})
}

func TestProjection(t *testing.T) {
	t.Parallel()
	const doc = `{"_id":"1","name":"Ann","user":{"name":"ann","mail":"a@b","at":{"x":1,"y":2}},"tags":["a",{"n":1,"m":2},[{"n":3}]],"e":{},"*":0}`
	for _, c := range []struct {
		name  string
		hide  bool
		paths string
		want  string
	}{
		{"one", false, "name", `{"name":"Ann"}`},
		{"in the document's order", false, "name,_id", `{"_id":"1","name":"Ann"}`},
		{"nested", false, "user.name,user.at.y", `{"user":{"name":"ann","at":{"y":2}}}`},
		{"a field and a part of it", false, "user.name,e,user", `{"user":{"name":"ann","mail":"a@b","at":{"x":1,"y":2}},"e":{}}`},
		{"all", false, "*", doc},
		{"all and more", false, "user.name,*", doc},
		{"all of one", false, "user.*", `{"user":{"name":"ann","mail":"a@b","at":{"x":1,"y":2}}}`},
		{"in arrays", false, "tags.n", `{"tags":[{"n":1},[{"n":3}]]}`},
		{"below a text", false, "name.x", `{}`},
		{"missing", false, "nobody,user.x", `{"user":{}}`},
		{"hide one", true, "user,tags", `{"_id":"1","name":"Ann","e":{},"*":0}`},
		{"hide nested", true, "user.at,user.mail,tags.n,name.x,e", `{"_id":"1","name":"Ann","user":{"name":"ann"},"tags":["a",{"m":2},[{}]],"*":0}`},
		{"hide a star", true, "*", strings.Replace(doc, `,"*":0`, "", 1)},
	} {
		make := Show
		if c.hide {
			make = Hide
		}
		p, err := make(strings.Split(c.paths, ",")...)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Append([]byte("x"), []byte(doc))); got != "x"+c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	if got := string(Projection{}.Append(nil, []byte(doc))); got != doc {
		t.Errorf("the zero projection makes %s", got)
	}
	_, err := Show("a..b")
	checkError(t, "bad", err, BadField, `field "a..b" has an empty name in it: one dot goes between two names`)
	_, err = Show(make([]string, MaxFields+1)...)
	checkError(t, "many", err, TooMany, "101 fields are named to be shown or hidden: at most 100 are allowed")
}

// TestShowAndHide: what is shown and what is hidden by the same names make up the document's top fields, and both are
// valid JSON.
func TestShowAndHide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "#", "0"}), 1, 3).Draw(t, "names")
		doc := anyObject(2).Draw(t, "doc")
		show, _ := Show(names...)
		hide, _ := Hide(names...)
		all := decode(doc).(map[string]any)
		shown := decode(string(show.Append(nil, []byte(doc)))).(map[string]any)
		hidden := decode(string(hide.Append(nil, []byte(doc)))).(map[string]any)
		if len(shown)+len(hidden) != len(all) {
			t.Fatalf("%v and %v of %v", shown, hidden, all)
		}
		nested := rapid.SampledFrom([]string{"a.b", "a.#", "b.0"}).Draw(t, "nested")
		deep, _ := Hide(nested)
		decode(string(deep.Append(nil, []byte(doc))))
		deep, _ = Show(nested)
		decode(string(deep.Append(nil, []byte(doc))))
	})
}
