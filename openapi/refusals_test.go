package openapi_test

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// jwt has the form of a token, and no signature that anybody could check.
const jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiI0MiIsImV4cCI6NDAwMDAwMDAwMH0.c2ln"

// each calls f with all operations, in the order of their names.
func (r *recorder) each(f func(o *operation)) {
	for _, id := range slices.Sorted(maps.Keys(r.operations)) {
		f(r.operations[id])
	}
}

// isAdmin reports whether the operation is the administrator's.
func (o *operation) isAdmin() bool { return strings.HasPrefix(o.template, "/admin") }

// refusals sends what each operation refuses for the same reason as others.
func (r *recorder) refusals(t *testing.T) {
	t.Run("credentials", func(t *testing.T) { r.wrongCredentials(t) })
	t.Run("bodies", func(t *testing.T) { r.wrongBodies(t) })
	t.Run("guesses", func(t *testing.T) { r.guesses(t) })
	t.Run("trouble", func(t *testing.T) { r.trouble(t) })
	t.Run("slow", func(t *testing.T) { r.slowBodies(t) })
	t.Run("no administrator", func(t *testing.T) {
		g := gatewaytest.Start(t, func(s *gatewaytest.Setup) { s.AdminKey = "" })
		r.each(func(o *operation) {
			if o.isAdmin() {
				r.send(t, g, call{op: o.id, as: gatewaytest.AdminKey, status: 404})
			}
		})
	})
}

func (r *recorder) wrongCredentials(t *testing.T) {
	g := start(t)
	r.each(func(o *operation) {
		r.send(t, g, call{op: o.id, headers: o.headers()})
		if o.isAdmin() {
			r.send(t, g, call{op: o.id, as: "wrong", status: 401})
			return
		}
		r.send(t, g, call{op: o.id, as: "expired-0123456789", headers: o.headers()})
		r.send(t, g, call{op: o.id, as: keyNone, headers: o.headers()})
		r.send(t, g, call{op: o.id, as: keyPage, headers: o.headers("Origin", "https://b.example")})
		path, mark := o.sample(), "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		r.send(t, g, call{op: o.id, path: path + mark + "apikey=a&rt-apikey=b", headers: o.headers()})
	})
}

// credential is one with which the operation reads its body.
func (o *operation) credential() string {
	switch {
	case o.isAdmin():
		return gatewaytest.AdminKey
	case slices.ContainsFunc([]string{"/accounts", "/db", "/events"}, func(of string) bool { return strings.HasPrefix(o.template, of) }):
		return root
	}
	return keyAll
}

func (r *recorder) wrongBodies(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.MaxBody = 1000 })
	r.send(t, g, call{op: "getRoom", path: "/room/sample-room"})
	r.each(func(o *operation) {
		if o.contentType == "" {
			return
		}
		one := call{op: o.id, as: o.credential(), wrong: true}
		for _, body := range []string{`{"`, `[]`, `{}`, `"x"`, `{"` + strings.Repeat("x", 10_000) + `":1}`} {
			one.body, one.headers = body, o.headers()
			r.send(t, g, one)
		}
		one.body, one.headers = "{}", o.headers("Content-Encoding", "gzip")
		r.send(t, g, one)
		one.headers = o.headers("Content-Type", "text/xml")
		r.send(t, g, one)
	})
}

// guesses sends wrong credentials until the address has no tries left.
func (r *recorder) guesses(t *testing.T) {
	g := start(t, gatewaytest.WithDemo)
	tired := func(o *operation, as string) {
		for range 400 {
			answer, _ := r.send(t, g, call{op: o.id, as: as, headers: []string{"Accept", "application/json"}})
			if answer == nil || answer.StatusCode == http.StatusTooManyRequests {
				return
			}
		}
		t.Fatalf("%s refuses no guesses", o.id)
	}
	tired(r.operations["subscribe"], "guess")
	tired(r.operations["listKeys"], "guess")
	r.each(func(o *operation) {
		headers := o.headers()
		if o.id == "getMetrics" {
			headers = append(headers, "Via", "1.1 proxy")
		}
		for range 3 { // an address gets another try every two seconds
			r.send(t, g, call{op: o.id, as: "guess", headers: headers})
		}
	})
	for range 40 {
		r.send(t, g, call{op: "login", body: `{"email":"ann@example.org","password":"wrong horse"}`})
	}
}

// trouble is a key set that cannot be fetched, and an application that would get too long a request.
func (r *recorder) trouble(t *testing.T) {
	nowhere := httptest.NewServer(http.NotFoundHandler())
	nowhere.Close()
	g := start(t, func(s *gatewaytest.Setup) { s.JWTJWKSURL = nowhere.URL })
	app := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(app.Close)
	asks := start(t, func(s *gatewaytest.Setup) { s.AuthURL, s.RoomCreate = app.URL, "key" })
	r.each(func(o *operation) {
		if o.isAdmin() {
			return
		}
		r.send(t, g, call{op: o.id, as: "Bearer " + jwt, headers: o.headers()})
		r.send(t, asks, call{op: o.id, headers: o.headers("Origin", asks.URL, "Cookie", "session="+strings.Repeat("x", 17_000))})
	})
	r.send(t, g, call{op: "isReady", status: 503})
	full := start(t, func(s *gatewaytest.Setup) { s.MaxBody, s.MaxMemoryPerKey = 4<<20, 1<<20 })
	r.send(t, full, call{op: "getRoom", path: "/room/sample-room"})
	r.each(func(o *operation) {
		if o.contentType != "" {
			r.send(t, full, call{op: o.id, as: o.credential(), headers: o.headers(), body: `{"a":"` + strings.Repeat("x", 3<<20) + `"}`, wrong: true})
		}
	})
	drained := start(t)
	r.send(t, drained, call{op: "getRoom", path: "/room/sample-room"})
	if err := drained.Traffic.Drain(t.Context(), drained.Broker); err != nil {
		t.Fatal(err)
	}
	r.each(func(o *operation) { r.send(t, drained, call{op: o.id, as: o.credential(), headers: o.headers()}) })
}

// slowBodies sends a head whose body does not come, and one whose body breaks off.
func (r *recorder) slowBodies(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.ReadTimeout = 100 * time.Millisecond })
	r.send(t, g, call{op: "getRoom", path: "/room/sample-room"})
	r.each(func(o *operation) {
		if o.contentType == "" {
			return
		}
		head := o.method + " " + o.sample() + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		if as := o.credential(); as == root {
			head += "Authorization: " + as + "\r\n"
		} else {
			head += "x-apikey: " + as + "\r\n"
		}
		for i, more := 0, o.headers(); i < len(more); i += 2 {
			head += more[i] + ": " + more[i+1] + "\r\n"
		}
		r.raw(t, g, o, head+"Content-Length: 1000\r\n\r\n")
		r.raw(t, g, o, head+"Transfer-Encoding: chunked\r\n\r\nz\r\n")
	})
}

// raw sends a head, and validates what comes back.
func (r *recorder) raw(t *testing.T, g *gatewaytest.Gateway, o *operation, head string) {
	t.Helper()
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	answer, text := readAnswer(t, c, o.method, g.URL+o.sample())
	if answer == nil {
		return
	}
	r.note(o.id, answer.StatusCode)
	r.validate(t, o, answer, text, o.method+" "+o.sample()+", slowly")
}
