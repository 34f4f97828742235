package body_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// TestRead: what is sent, and what is answered; after a fault the connection is closed.
func TestRead(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.HTTPErrorHandler = httperr.Handler(slog.New(slog.DiscardHandler))
	e.POST("/", func(c echo.Context) error {
		text, err := body.Read(c, body.Limits{Bytes: 100, Time: 200 * time.Millisecond, Memory: share.NewMemory(1<<20, 1<<20)})
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprint(len(text)))
	})
	server := httptest.NewServer(e)
	defer server.Close()
	most := strings.Repeat("x", 100)
	for _, tt := range []struct{ name, sent, want string }{
		{"none", "Content-Length: 0\r\n\r\n", "200 0"},
		{"the most", "Content-Length: 100\r\n\r\n" + most, "200 100"},
		{"chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", "200 5"},
		{"it says that it is longer", "Content-Length: 101\r\n\r\n", "413 body_too_large closed"},
		{"it is longer", "Transfer-Encoding: chunked\r\n\r\n65\r\n" + most + "x\r\n0\r\n\r\n", "413 body_too_large closed"},
		{"it does not end", "Content-Length: 9\r\n\r\nx", "408 body_timeout closed"},
		{"wrongly framed", "Transfer-Encoding: chunked\r\n\r\nz\r\n", "400 body_unreadable closed"},
	} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+tt.sent); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		got := fmt.Sprintf("%d %s", answer.StatusCode, text)
		if answer.StatusCode != http.StatusOK {
			_, code, _ := strings.Cut(string(text), `"code":"`)
			code, _, _ = strings.Cut(code, `"`)
			got = fmt.Sprintf("%d %s", answer.StatusCode, code)
		}
		if answer.Close {
			got += " closed"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
