package handlers_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// A client that announces a body, and does not send it, gets an answer and loses its connection, also where nobody reads the body.
func TestBodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.ReadTimeout = 100 * time.Millisecond })
	send := func(request string) error {
		c, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if answer, err := io.ReadAll(c); err != nil || len(answer) == 0 {
			return fmt.Errorf("answered %q: %w", answer, err)
		}
		return nil
	}
	var group sync.WaitGroup
	for _, line := range []string{
		"GET /healthz", "GET /metrics", "GET /nothing", "PUT /healthz", "OPTIONS /realtime", "GET /realtime?until=caught-up", "DELETE /realtime?id=1",
		"POST /room/unknown/send", "GET /room/unknown", "DELETE /rest/c/1", "POST /rest/c/1", "GET /rest/c", "GET /items/c", "GET /users/me",
		"GET /db", "GET /accounts", "GET /admin/keys", "DELETE /admin/keys/x", "GET /", "GET /sdk/sluice.js",
	} {
		for _, key := range []string{gatewaytest.KeyAll, gatewaytest.AdminKey, "wrong"} {
			for _, body := range []string{"Content-Length: 10\r\n\r\n", "Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
				group.Go(func() {
					request := fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nx-apikey: %s\r\n%s", line, key, body)
					if err := send(request); err != nil {
						t.Errorf("%q: %v", request, err)
					}
				})
			}
		}
	}
	group.Wait()
}
