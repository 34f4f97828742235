package realtime_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/config"
	root "sluice/gateway"
	"sluice/gateway/gatewaytest"
)

// lists is where lists of channels get their names.
const lists = "/realtime/subscriptions"

// name gives a list a name, with a header for the credential.
func (g *gateway) name(t testing.TB, body string, credential ...string) string {
	t.Helper()
	status, text := g.Request(t, "POST", lists, body, credential...)
	var made struct {
		Name    string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s", status, text)
	}
	if left := time.Until(made.Expires); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("it expires in %s", left)
	}
	return made.Name
}

// listOf is the JSON of n channels, of which the last is given.
func listOf(n int, last string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("a-channel-with-a-longer-name-%04d", i)
	}
	all[n-1] = last
	text, err := json.Marshal(map[string][]string{"channels": all})
	if err != nil {
		panic(err) // texts always can
	}
	return string(text)
}

func TestListRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.MaxBody = 64 << 10 })
	bad := func(name, body string, has ...string) scenario {
		return scenario{Name: name, Path: lists, Body: body, Status: 400, Has: append(has, `"code":"bad_parameter"`)}
	}
	g.RunAll(t, []scenario{
		{Name: "no credential", Path: lists, Key: "-", Body: `{"channels":"a"}`, Status: 401},
		{Name: "an origin of another key", Path: lists, Key: gatewaytest.KeyOrigin, Headers: map[string]string{"Origin": "https://b.example"}, Body: `{"channels":"a"}`, Status: 403, Has: []string{"origin_not_allowed"}},
		{Name: "no JSON", Path: lists, Body: `{`, Status: 400, Has: []string{"bad_json"}},
		{Name: "no object", Path: lists, Body: `["a"]`, Status: 400, Has: []string{"bad_json", `{\"channels\":[`}},
		{Name: "a form", Path: lists, Headers: map[string]string{"Content-Type": "text/plain"}, Body: `{"channels":"a"}`, Status: 415},
		{Name: "lines", Path: lists, Headers: map[string]string{"Content-Type": "application/x-ndjson"}, Body: `{"channels":"a"}`, Status: 415},
		{Name: "too long", Path: lists, Body: `{"channels":"` + strings.Repeat("a,", 40<<10) + `a"}`, Status: 413, Has: []string{"body_too_large"}},
		bad("nothing", `{}`, "must be a list"), bad("null", `{"channels":null}`), bad("a number", `{"channels":1}`, "must be a list"),
		bad("an empty list", `{"channels":[]}`, "must be a list"), bad("numbers", `{"channels":[1]}`, "must be a list"), bad("an empty text", `{"channels":""}`, "is empty"),
		bad("one that is empty", `{"channels":["a",""]}`, "is empty"), bad("a bare method", `{"channels":["put"]}`, "a method needs a collection"),
		bad("what the address has", `{"channels":["a"],"types":["b"]}`, "parameter types", "address"),
		bad("too many", listOf(1001, "x"), "more than 1000 patterns"),
		{Name: "beyond the grant", Path: lists, Key: gatewaytest.KeyPut, Body: `{"channels":["chat-1","POST:customer"]}`, Status: 403, Has: []string{"forbidden", "POST:customer"}},
		{Name: "no grant", Path: lists, Key: gatewaytest.KeyNone, Body: `{"channels":["a"]}`, Status: 403, Has: []string{"forbidden"}},
		{Name: "not to read", Path: lists, Status: 405, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		{Name: "too many in an address", Path: "?channels=" + strings.Repeat("a,", 100) + "a", Status: 400, Has: []string{"more than 100 patterns", "POST longer lists to /realtime/subscriptions"}},
	})
	status, text := g.Request(t, "POST", lists, `{"channels":["b","a"]}`, "x-apikey", gatewaytest.KeyAll)
	if shape := regexp.MustCompile(`^\{"expires":"[-0-9]{10}T[:0-9]{8}Z","name":"[a-z2-7]{26}"\}` + "\n$"); status != http.StatusCreated || !shape.MatchString(text) {
		t.Errorf("%d %q", status, text)
	}
	for _, same := range []string{`{"channels":"a,b"}`, `{"channels":["a","b","b"]}`, `{"channels":["a,b"]}`} {
		if _, again := g.Request(t, "POST", lists, same, "x-apikey", gatewaytest.KeyAll); again[30:] != text[30:] {
			t.Errorf("%s has another name: %s, %s", same, again, text)
		}
	}
}

// A name stands for its list in each form of a GET, as if the address had the list.
func TestNamedList(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		name := g.name(t, listOf(1000, "PUT:customer"), "x-apikey", gatewaytest.KeyAll)
		s := g.Stream(t, gatewaytest.KeyAll, "?channels=@"+name)
		framed := g.Stream(t, gatewaytest.KeyAll, "?channels=%40"+name+"&frames=publish")
		g.Publish(t, `{"event":"other"}`)
		first := g.Publish(t, `{"event":"a-channel-with-a-longer-name-0500","stream":"s"}`)
		g.Publish(t, `{"event":"a-channel-with-a-longer-name-1000"}`)
		last := g.Publish(t, `{"event":"patch","collection":"customer"}`)
		for _, want := range []string{first, last} {
			if e := s.Event(t); e.ID != want {
				t.Errorf("%+v, want %s", e, want)
			}
			if e := framed.Event(t); e.ID != want || e.Name != "publish" && e.Name != "put" {
				t.Errorf("%+v, want %s", e, want)
			}
		}
		for query, want := range map[string]string{
			"&from=earliest&until=caught-up": first + " " + last, "&stream=s&until=caught-up": first, "&types=put&until=caught-up": last, "&from=-1&limit=1": last,
		} {
			h := g.History(t, gatewaytest.KeyAll, "?channels=@"+name+query)
			if got := strings.Join(h.IDs, " "); h.Status != 200 || got != want || h.End.Name != "end" {
				t.Errorf("%s: %d, %s, want %s", query, h.Status, got, want)
			}
		}
		lines := g.Open(t, gatewaytest.KeyAll, "?channels=@"+name+"&until=caught-up", "Accept", "application/x-ndjson")
		text, err := io.ReadAll(lines.Answer.Body)
		if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), last) {
			t.Errorf("lines: %s %v", text, err)
		}
		resumed := g.Stream(t, gatewaytest.KeyAll, "?channels=@"+name, "Last-Event-ID", first)
		if e := resumed.Event(t); e.ID != last {
			t.Errorf("%+v, want %s", e, last)
		}
		(&scenario{Name: "head", Method: "HEAD", Path: "?channels=@" + name, Status: 200}).Run(t, g.Gateway)
	})
}

// A name is its credential's alone. To others, and when it has ended, the answer is the same: what does not exist and cannot
// come by waiting, also for an EventSource, which then stops for good.
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	name := g.name(t, `{"channels":["chat-1","chat-2"]}`, "x-apikey", gatewaytest.KeyAll)
	unknown := strings.Repeat("a", 26)
	answer := func(path, key string, more ...string) string {
		status, text := g.Request(t, "GET", "/realtime?channels="+path, "", append(more, "x-apikey", key)...)
		return fmt.Sprint(status, " ", text)
	}
	want := answer("@"+unknown, gatewaytest.KeyAll)
	if !strings.HasPrefix(want, `404 {"message":"`) || !strings.Contains(want, `"code":"unknown_subscription"`) || !strings.Contains(want, "POST the list to /realtime/subscriptions again") {
		t.Error(want)
	}
	for what, got := range map[string]string{
		"another key": answer("@"+name, gatewaytest.KeyPut), "an EventSource": answer("@"+name, gatewaytest.KeyPut, "Accept", "text/event-stream"),
		"no name": answer("@", gatewaytest.KeyAll), "a part": answer("@"+name[:25], gatewaytest.KeyAll), "other letters": answer("@"+strings.ToUpper(name), gatewaytest.KeyAll),
	} {
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	g.RunAll(t, []scenario{
		{Name: "with another channel", Path: "?channels=@" + name + ",a", Status: 400, Has: []string{"stands alone"}},
		{Name: "behind another channel", Path: "?channels=a,@" + name, Status: 400, Has: []string{"stands alone"}},
		{Name: "twice", Path: "?channels=@" + name + "&channels=@" + name, Status: 400, Has: []string{"stands alone"}},
		{Name: "as what a token grants", Path: "/realtime/token", Body: `{"sub":["@` + name + `"]}`, Status: 200}, // a pattern: an event of that name
	})
}

// An event whose name begins with @ can be asked for in a list.
func TestEventsNamedAsLists(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := g.Stream(t, gatewaytest.KeyAll, "?channels=@"+g.name(t, `{"channels":["@x","@y*"]}`, "x-apikey", gatewaytest.KeyAll))
	for _, event := range []string{"@x", "@z", "@yy"} {
		g.Publish(t, `{"event":"`+event+`"}`)
	}
	if a, b := s.Event(t), s.Event(t); a.Name != "@x" || b.Name != "@yy" {
		t.Errorf("%+v %+v", a, b)
	}
}

// A page goes on with its next token: with each that the same key minted, or that has the same subject.
func TestNamesOfTokens(t *testing.T) {
	t.Parallel()
	const secret = "a secret of at least 32 bytes, of an issuer"
	g := newGateway(t, func(s *setup) { s.JWTSecret = config.List{secret} })
	minted := func(key string) string {
		t.Helper()
		status, text := g.Request(t, "POST", "/realtime/token", `{"sub":["chat-1"]}`, "x-apikey", key)
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusOK {
			t.Fatal(status, text)
		}
		return "Bearer " + made.Token
	}
	issued := func(sub string, life time.Duration) string {
		t.Helper()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": sub, "exp": time.Now().Add(life).Unix(), "realtime": []string{"chat-1"}}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	for _, one := range []struct{ what, first, next, other string }{
		{"minted", minted(gatewaytest.KeyAll), minted(gatewaytest.KeyAll), minted(gatewaytest.KeyPut)},
		{"issued", issued("ann", time.Minute), issued("ann", time.Hour), issued("bob", time.Minute)},
	} {
		name := g.name(t, `{"channels":["chat-1"]}`, "Authorization", one.first)
		for credential, want := range map[string]int{one.first: 200, one.next: 200, one.other: 404} {
			if status, text := g.Request(t, "HEAD", "/realtime?channels=@"+name, "", "Authorization", credential); status != want {
				t.Errorf("%s: %d %s, want %d", one.what, status, text, want)
			}
		}
		if status, _ := g.Request(t, "HEAD", "/realtime?channels=@"+name, "", "x-apikey", gatewaytest.KeyAll); status != 404 {
			t.Errorf("%s: the key itself gets %d", one.what, status)
		}
	}
}

// The grant counts at each GET, as it is then.
func TestNamedListIsNarrowed(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"page","sub":["chat-*","news"]}`, 201)
	key, id := made["key"].(string), made["id"].(string)
	name := g.name(t, `{"channels":["chat-1","news"]}`, "x-apikey", key)
	s := g.Stream(t, key, "?channels=@"+name)
	g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["news"]}`, 200)
	if e := s.Event(t); e.Name != "expired" {
		t.Errorf("%+v", e)
	}
	(&scenario{Name: "less", Key: key, Path: "?channels=@" + name, Status: 403, Has: []string{"chat-1"}}).Run(t, g.Gateway)
	g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["news","chat-1","more"]}`, 200)
	s = g.Stream(t, key, "?channels=@"+name)
	for _, event := range []string{"more", "chat-2", "chat-1"} {
		g.Publish(t, `{"event":"`+event+`"}`)
	}
	if e := s.Event(t); e.Name != "chat-1" {
		t.Errorf("%+v", e)
	}
}

// A stream keeps its name for as long as it is open, and for ten minutes after that.
func TestStreamKeepsItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble)
		status := func(name string) int {
			status, _ := g.Request(t, "HEAD", "/realtime?channels=@"+name, "", "x-apikey", gatewaytest.KeyAll)
			return status
		}
		get := func(name string) *http.Response {
			r, err := http.NewRequest("GET", g.URL+"/realtime?channels=@"+name, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("x-apikey", gatewaytest.KeyAll)
			answer, err := g.Client().Do(r)
			if err != nil || answer.StatusCode != 200 {
				t.Fatal(answer, err)
			}
			return answer
		}
		name := g.name(t, `{"channels":["a"]}`, "x-apikey", gatewaytest.KeyAll)
		idle := g.name(t, `{"channels":["b"]}`, "x-apikey", gatewaytest.KeyAll)
		stream := get(name)
		go io.Copy(io.Discard, stream.Body)
		time.Sleep(time.Hour)
		stream.Body.Close()
		time.Sleep(10*time.Minute - time.Second)
		if got := status(name); got != 200 {
			t.Errorf("ten minutes after its stream: %d", got)
		}
		if got := status(idle); got != 404 {
			t.Errorf("one that nobody used for an hour: %d", got)
		}
		time.Sleep(time.Hour)
		if got := status(name); got != 404 {
			t.Errorf("after an hour without a stream: %d", got)
		}
		if again := g.name(t, `{"channels":["a"]}`, "x-apikey", gatewaytest.KeyAll); again != name || status(name) != 200 {
			t.Errorf("posted again it is %s, and was %s", again, name)
		}
		g.Client().CloseIdleConnections()
	})
}

// One credential cannot take all the room that names have.
func TestTooManyLists(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Memory = root.MemoryLimit{Bytes: 64 << 20} }) // 8 MiB for names
	made, last := 0, ""
	for status := http.StatusCreated; status == http.StatusCreated; made++ {
		status, last = g.Request(t, "POST", lists, listOf(1000, fmt.Sprint("x", made)), "x-apikey", gatewaytest.KeyAll)
	}
	if made < 50 || made > 70 || !strings.Contains(last, `"code":"too_many_subscriptions_per_key"`) {
		t.Errorf("after %d lists of 33 KB: %s", made-1, last)
	}
	g.RunAll(t, []scenario{
		{Name: "one more", Path: lists, Body: listOf(1000, "y"), Status: 429, ResponseHeaders: map[string]string{"Retry-After": "1440"}},
		{Name: "one that is there", Path: lists, Body: listOf(1000, "x1"), Status: 201},
		{Name: "of another credential", Path: lists, Key: gatewaytest.KeyPublish, Body: listOf(1000, "y"), Status: 201},
	})
}
