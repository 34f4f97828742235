package openapi_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// stream is an open stream of frames or lines.
type stream struct {
	t    *testing.T
	body io.ReadCloser
	text string // read, and not looked at yet
}

// open opens a stream.
func open(t *testing.T, g *gatewaytest.Gateway, credential, path string, headers ...string) *stream {
	t.Helper()
	s := g.OpenAt(t, credential, path, headers...)
	if s.Answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(s.Answer.Body)
		t.Fatalf("%s: %s %s", path, s.Answer.Status, text)
	}
	return &stream{t: t, body: s.Answer.Body}
}

// next returns what comes before the next separator; false at the end of the stream.
func (s *stream) next(separator string) (string, bool) {
	s.t.Helper()
	for {
		if one, rest, found := strings.Cut(s.text, separator); found {
			s.text = rest
			return one, true
		}
		piece := make([]byte, 4096)
		n, err := s.body.Read(piece)
		s.text += string(piece[:n])
		if err != nil && n == 0 {
			return s.text, false
		}
	}
}

// until holds frames against the document until one contains a text; "": until the stream ends.
func (f *frames) until(s *stream, channel, has string) {
	s.t.Helper()
	for {
		frame, more := s.next("\n\n")
		if !more {
			if has != "" {
				s.t.Fatalf("the stream of %s ended before %q", channel, has)
			}
			return
		}
		f.frame(s.t, channel, frame)
		if has != "" && strings.Contains(frame, has) {
			return
		}
	}
}

// lines holds the lines of a stream that ends against the document.
func (f *frames) lines(s *stream, channel string) {
	s.t.Helper()
	for {
		line, more := s.next("\n")
		if !more {
			return
		}
		if line != "" {
			f.message(s.t, channel, fromGateway, line)
		}
	}
}

// TestDescribedFrames: frames and lines of all streams are as docs/asyncapi.yaml says, and each that it names has come.
func TestDescribedFrames(t *testing.T) {
	t.Parallel()
	f := newFrames(t)
	t.Run("realtime", f.realtime)
	t.Run("ends", f.ends)
	t.Run("databases", f.feeds)
	t.Run("rooms", f.rooms)
	t.Run("administrator", f.administrator)
	t.Run("administrator's events", f.adminEvents)
	f.complete(t, "realtime", "lines", "adminEvents", "adminLines", "audit", "auditLines", "stats", "feed", "roomEvents")
}

// complete fails the test if a message of the channels has not come.
func (f *frames) complete(t *testing.T, channels ...string) {
	t.Helper()
	n := 0
	for _, name := range channels {
		for _, m := range f.channels[name].messages {
			n++
			if !f.seen[name+"/"+m.name] && !isShared(name, m.name) {
				t.Errorf("docs/asyncapi.yaml: no message %s of the channel %s has come", m.name, name)
			}
		}
	}
	t.Logf("%d messages in %d channels", n, len(channels))
}

// isShared reports whether a frame is rare, and comes in the channel realtime from the same code.
func isShared(channel, message string) bool {
	switch channel + "/" + message {
	case "audit/gap", "audit/expired", "auditLines/gapLine":
		return true
	}
	return false
}

func (f *frames) realtime(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.PingInterval = 50 * time.Millisecond })
	live := open(t, g, keyAll, "/realtime", "Last-Event-ID", "12")
	f.until(live, "realtime", "gap")
	first := g.Publish(t, `{"event":"put","collection":"customer","data":{"a":[1,"x",null]},"stream":"s"}`)
	g.Publish(t, `{"event":"goal"}`)
	f.until(live, "realtime", "goal")
	f.until(live, "realtime", "event: ping")
	g.Request(t, "DELETE", "/realtime?id="+first, "", "x-apikey", keyAll)
	f.until(live, "realtime", "event: retract")
	f.until(open(t, g, keyAll, "/realtime?from=earliest&frames=publish"), "realtime", "event: live")
	f.until(open(t, g, keyAll, "/realtime?limit=1"), "realtime", "")
	f.lines(open(t, g, keyAll, "/realtime?until=caught-up", "Accept", "application/x-ndjson"), "lines")
	f.lines(open(t, g, keyAll, "/realtime?until=caught-up", "Accept", "application/x-ndjson", "Last-Event-ID", "12"), "lines")
}

// ends are the frames that end streams: of a removed key, and of a gateway that shuts down.
func (f *frames) ends(t *testing.T) {
	g := start(t)
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"gone","sub":["*"]}`, 201)
	s := open(t, g, made["key"].(string), "/realtime")
	f.until(s, "realtime", "init")
	g.AsAdmin(t, "DELETE", "/admin/keys/"+made["id"].(string), "", 204)
	f.until(s, "realtime", "")
	room := open(t, g, keyAll, "/room/ends/events", "Accept", "text/event-stream")
	feed := open(t, g, "", "/db/demo/events", "Authorization", gatewaytest.Basic("demo", "demo"))
	if err := g.Traffic.Drain(t.Context(), g.Broker); err != nil {
		t.Fatal(err)
	}
	f.until(room, "roomEvents", "")
	f.until(feed, "feed", "")
	f.until(open(t, g, keyAll, "/realtime", "Accept", "text/event-stream"), "realtime", "")
	f.until(open(t, g, gatewaytest.AdminKey, "/admin/audit", "Accept", "text/event-stream"), "audit", "")
}

func (f *frames) feeds(t *testing.T) {
	g := start(t)
	for i := range 3 {
		g.RequestAs(t, "demo", "POST", "/events", fmt.Sprintf(`{"data":{"n":%d},"meta":{"db":"demo","stream":"s","type":"t"}}`, i))
	}
	demo := []string{"Authorization", gatewaytest.Basic("demo", "demo")}
	f.until(open(t, g, "", "/db/demo/events?until=caught-up", demo...), "feed", "")
	f.until(open(t, g, "", "/db/demo/ns//streams/s/events?limit=1", demo...), "feed", "")
	f.until(open(t, g, "", "/db/none/events", demo...), "feed", "")
}

func (f *frames) rooms(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.PingInterval = 50 * time.Millisecond })
	s := open(t, g, "", "/room/frames/events", "Last-Event-ID", "12")
	f.until(s, "roomEvents", "gap")
	g.Push(t, "frames", `{"type":"push","key":"k","value":{"a":1},"action":{"type":"append"}}`)
	f.until(s, "roomEvents", `"a":1`) // a relay that is sent while a stream opens can be missed
	g.Push(t, "frames", `{"type":"push","key":"k","value":null,"action":{"type":"relay"}}`)
	f.until(s, "roomEvents", "null")
	f.until(s, "roomEvents", "event: ping")
}

func (f *frames) administrator(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.PingInterval = 50 * time.Millisecond })
	key := gatewaytest.AdminKey
	f.until(open(t, g, key, "/admin/stats", "Accept", "text/event-stream"), "stats", "stats")
	g.AsAdmin(t, "POST", "/admin/keys", `{"name":"made"}`, 201)
	g.Request(t, "GET", "/realtime", "", "x-apikey", "guess")
	s := open(t, g, key, "/admin/audit")
	f.until(s, "audit", "credential.refuse")
	f.until(s, "audit", "event: live")
	f.until(s, "audit", "event: ping")
	f.until(open(t, g, key, "/admin/audit?limit=1"), "audit", "")
	f.lines(open(t, g, key, "/admin/audit?until=caught-up", "Accept", "application/x-ndjson"), "auditLines")
}

// adminEvents is what the administrator reads of the log.
func (f *frames) adminEvents(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.PingInterval = 50 * time.Millisecond })
	key, room := gatewaytest.AdminKey, g.NewRoom(t)
	g.Publish(t, `{"space":"$db/demo","event":"deposit","stream":"a","data":{"amount":50}}`)
	g.Push(t, room, `{"type":"push","key":"k","value":{"b":1},"action":{"type":"append"}}`)
	s := open(t, g, key, "/admin/events", "Last-Event-ID", "12")
	f.until(s, "adminEvents", "event: gap")
	first := g.Publish(t, `{"event":"put","collection":"customer","data":{"a":[1,"x",null]},"stream":"s"}`)
	f.until(s, "adminEvents", "event: put")
	f.until(s, "adminEvents", "event: ping")
	g.AsAdmin(t, "DELETE", "/admin/events/"+first, "", 200)
	f.until(s, "adminEvents", "event: retract")
	f.until(open(t, g, key, "/admin/events?from=earliest"), "adminEvents", "event: live")
	f.until(open(t, g, key, "/admin/events?channels=$db/demo&from=earliest"), "adminEvents", "deposit")
	f.until(open(t, g, key, "/admin/events?channels=$room/"+room+"&from=earliest"), "adminEvents", `"b":1`)
	f.until(open(t, g, key, "/admin/events?limit=1"), "adminEvents", "")
	f.lines(open(t, g, key, "/admin/events?until=caught-up", "Accept", "application/x-ndjson"), "adminLines")
	f.lines(open(t, g, key, "/admin/events?until=caught-up", "Accept", "application/x-ndjson", "Last-Event-ID", "12"), "adminLines")
	if err := g.Traffic.Drain(t.Context(), g.Broker); err != nil {
		t.Fatal(err)
	}
	f.until(open(t, g, key, "/admin/events", "Accept", "text/event-stream"), "adminEvents", "")
}
