package handlers_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
	"sluice/store/eventlog"
)

// What a key opened ends soon after the key, though the client takes nothing of what is being written to it, and it has
// long to take something.
func TestStalledReadersEndWithTheirKey(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, stalledReaders)
}

func stalledReaders(t *testing.T, writer func(*setup)) {
	ctx := context.Background()
	g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Hour })
	if err := g.Databases.Create(ctx, "large", ""); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := g.Documents.Insert(ctx, "large", "a test", slices.Repeat([]documents.New{{Fields: gatewaytest.LargeFields(t)}}, 20)); err != nil {
			t.Fatal(err)
		}
	}
	data := []byte(`"` + strings.Repeat("x", 60_000) + `"`)
	for range 200 {
		for _, space := range []string{"", "$db/large"} {
			if _, err := g.Log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Space: space, Name: "large", Stream: "s", Data: data}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	name, channels, rest := "stalled", []string{"*", "*:*", "$db/large"}, []string{"*"}
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for path, more := range map[string]string{
		"/realtime?channels=*&from=earliest": "Accept: text/event-stream\r\n\r\n",
		"/realtime?from=earliest":            "Accept: application/x-ndjson\r\n\r\n",
		"/realtime?lastEventId=1":            "\r\n",
		"/db/large/events":                   "Accept: text/event-stream\r\n\r\n",
		"/websocket":                         upgrade + "\r\n" + maskedFrame(`{"type":"subscribe","collection":"large","query":{"limit":-1}}`),
	} {
		info, key, err := g.Auth.CreateKey(ctx, auth.KeyChange{Name: &name, Sub: &channels, Rest: &rest})
		if err != nil {
			t.Fatal(err)
		}
		written := g.Written()
		c, err := g.Connect(net.Dialer{})
		if err == nil {
			err = c.SetReadBuffer(4 << 10)
		}
		if err == nil {
			_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nx-apikey: %s\r\n%s", path, key, more)
		}
		if err != nil {
			t.Fatal(err)
		}
		gatewaytest.Until(t, func() error {
			if n := g.Traffic.Streams(); n != 1 {
				return fmt.Errorf("%s: there are %d streams", path, n)
			}
			return nil
		})
		g.AwaitBlocked(t, written, 1000)
		if err := g.Auth.DeleteKey(ctx, info.ID); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); g.Traffic.Streams() > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s goes on", path)
				break
			}
		}
		c.Close()
		for end := time.Now().Add(10 * time.Second); g.Traffic.Streams() > 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// maskedFrame is a message as a client sends it.
func maskedFrame(text string) string {
	return "\x81" + string([]byte{0x80 | byte(len(text))}) + "\x00\x00\x00\x00" + text
}
