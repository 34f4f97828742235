package backend

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/channel"
)

func TestParse(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"c%d"`, i)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	for _, one := range []struct{ text, want, fault string }{
		{ann, "42 Ann a,b c GET:d 1m0s", ""},
		{`{"subject":"42"}`, "42     1m0s", ""},
		{`{"subject":"42","name":null,"sub":null,"pub":[],"rest":null,"ttl":null}`, "42     1m0s", ""},
		{`{"subject":"42","sub":["a","put","a:b:c","$db/x","{sub}"],"other":{"x":[1]}}`, "42  a,{sub},$db/x   1m0s", ""},
		{`{"subject":"42","SUB":["a"],"Name":"x"}`, "42     1m0s", ""},
		{`{"subject":"42","rest":["GET:a","GET"]}`, "42    GET:a 1m0s", ""},
		{`{"subject":"42","ttl":"90s"}`, "42     1m30s", ""},
		{`{"subject":"42","ttl":300}`, "42     5m0s", ""},
		{`{"subject":"42","ttl":3e2}`, "42     5m0s", ""},
		{`{"subject":"42","ttl":0}`, "42     1s", ""},
		{`{"subject":"42","ttl":-7}`, "42     1s", ""},
		{`{"subject":"42","ttl":"-1h"}`, "42     1s", ""},
		{`{"subject":"42","ttl":"1ms"}`, "42     1s", ""},
		{`{"subject":"42","ttl":1e300}`, "42     24h0m0s", ""},
		{`{"subject":"42","ttl":"9000h"}`, "42     24h0m0s", ""},

		{`{}`, "", `no "subject"`},
		{`{"subject":""}`, "", `no "subject"`},
		{`{"subject":null}`, "", `no "subject"`},
		{`{"sub":"42"}`, "", `no "subject"`},
		{`{"subject":["42"]}`, "", "its subject must be a string, not a list"},
		{`{"subject":"42","name":7}`, "", "its name must be a string, not a number"},
		{`{"subject":"` + strings.Repeat("x", maxName+1) + `"}`, "", "more than 1024 bytes"},
		{`{"subject":"42","sub":"a"}`, "", "its sub must be a list of strings"},
		{`{"subject":"42","pub":["a",1]}`, "", "its pub must be a list of strings"},
		{`{"subject":"42","rest":["a",null]}`, "", "its rest must be a list of strings"},
		{`{"subject":"42","sub":{}}`, "", "its sub must be a list of strings"},
		{`{"subject":"42","sub":["a"],"sub":[]}`, "", "a field occurs twice"},
		{`{"subject":"42","s\u0075b":["a"],"sub":[]}`, "", "a field occurs twice"},
		{`{"subject":"42","sub":` + many(channel.MaxGrant) + `,"pub":["x"]}`, "", "more than 1000 patterns"},
		{`{"subject":"42","ttl":"5"}`, "", "its ttl"},
		{`{"subject":"42","ttl":"soon"}`, "", "its ttl"},
		{`{"subject":"42","ttl":1.5}`, "", "its ttl"},
		{`{"subject":"42","ttl":true}`, "", "its ttl"},
		{`{"subject":"42","ttl":[60]}`, "", "its ttl"},
		{`{"subject":"42"} {}`, "", "something follows"},
		{`{"subject":"42"`, "", "no JSON object"},
		{"{\"subject\":\"4\xff2\"}", "", "not UTF-8"},
		{"\ufeff" + ann, "", "no JSON object"},
	} {
		g, err := parse([]byte(one.text))
		if err != nil || one.fault != "" {
			if err == nil || one.fault == "" || !strings.Contains(err.Error(), one.fault) {
				t.Errorf("%.80s: %v, want %q", one.text, err, one.fault)
			}
			continue
		}
		if got := fmt.Sprint(g.Subject, " ", g.Name, " ", g.Sub, " ", g.Pub, " ", g.Rest, " ", g.TTL); got != one.want {
			t.Errorf("%.80s: %q, want %q", one.text, got, one.want)
		}
	}
	if g, err := parse([]byte(`{"subject":"42","sub":` + many(channel.MaxGrant) + `}`)); err != nil || g.Sub.Len() != channel.MaxGrant {
		t.Errorf("the most patterns: %v", err)
	}
}

// FuzzParse: an answer grants what encoding/json reads of it, within the bounds, or nothing.
func FuzzParse(f *testing.F) {
	for _, text := range []string{ann, `{}`, `{"subject":"a","ttl":1e9}`, `{"subject":"a","sub":["x",null]}`, `{"SUBJECT":"a"}`, `{"subject":"a","subject":"b"}`, `[1]`, "\xff", `{"subject":"a","ttl":"1h"}x`, `{"subject":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("%q", err)
			}
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil || !utf8.Valid(text) {
			t.Fatalf("%q: %v", text, err)
		}
		var subject string
		if json.Unmarshal(m["subject"], &subject) != nil || subject != g.Subject || g.Subject == "" || len(g.Subject) > maxName || len(g.Name) > maxName {
			t.Errorf("%q: %q", text, g.Subject)
		}
		if g.TTL < time.Second || g.TTL > 24*time.Hour {
			t.Errorf("%q: %s", text, g.TTL)
		}
		for name, set := range map[string]channel.Set{"sub": g.Sub, "pub": g.Pub, "rest": g.Rest} {
			var list []string
			if v, has := m[name]; has && json.Unmarshal(v, &list) != nil || set.Len() > len(list) {
				t.Errorf("%q: %s is %s", text, name, set)
			}
		}
		if !g.within(&g) {
			t.Errorf("%q is not within itself", text)
		}
	})
}

// Messages of refusals are short, on one line, and no HTML.
func TestMessages(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"message":"a","error":"b"}`: "a", `{"error":"b"}`: "b", `{"detail":"c"}`: "c", `{"error":{"code":7,"message":"d"}}`: "d", `{"message":"","detail":"e"}`: "e",
		`{"message":7,"error":"f"}`: "f", `{"message":"a\u0000\r\n\tb\u2028c\u202ed"}`: "a b c d", `{"message":"Tschüß, 你好"}`: "Tschüß, 你好", `{"other":"x"}`: "", `[]`: "", `"x"`: "",
		`{"message":"a","message":"b"}`: "", `{"message":"1 < 2"}`: "", `{"error":{"error":{"message":"deep"}}}`: "",
		`{"message":"` + strings.Repeat("ü", 300) + `"}`: strings.Repeat("ü", 200) + "…",
	} {
		if got := messageIn([]byte(text), true); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
