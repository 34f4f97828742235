package httperr_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/httperr"
	"sluice/store/documents"
)

// TestHandler: the exact answer to each kind of error in our own shape, and what is noted of it.
func TestHandler(t *testing.T) {
	t.Parallel()
	expect := httperr.New(409, httperr.ExpectFailed, "moved")
	expect.Last = "17"
	first := httperr.New(409, httperr.ExpectFailed, "moved")
	changed := httperr.New(412, httperr.VersionMismatch, "changed")
	changed.Current = map[string]int{"n": 1}
	passing := func(wait time.Duration) error { return httperr.New(503, httperr.Unavailable, "later").After(wait) }
	for _, c := range []struct {
		err   error
		plain bool
		want  string // status, Retry-After, WWW-Authenticate, body
	}{
		{documents.ErrNotFound, false, `404 "" "" {"message":"there is no such document","code":"not_found"}`},
		{documents.ErrNotFound, true, `404 "" "" not_found: there is no such document`},
		{&auth.Error{Status: 401, Code: "invalid_key", Message: "no"}, false, `401 "" "Bearer" {"message":"no","code":"invalid_key"}`},
		{&auth.Error{Status: 401, Code: "invalid_key", Message: "no"}, true, `401 "" "Bearer" invalid_key: no`},
		{passing(time.Second), false, `503 "1" "" {"message":"later","code":"unavailable"}`},
		{passing(0), false, `503 "1" "" {"message":"later","code":"unavailable"}`},
		{passing(-time.Second), false, `503 "1" "" {"message":"later","code":"unavailable"}`},
		{passing(time.Millisecond), true, `503 "1" "" unavailable: later`},
		{passing(time.Second + 1), false, `503 "2" "" {"message":"later","code":"unavailable"}`},
		{passing(2 * time.Second), false, `503 "2" "" {"message":"later","code":"unavailable"}`},
		{passing(time.Hour - 1), false, `503 "3600" "" {"message":"later","code":"unavailable"}`},
		{expect, false, `409 "" "" {"message":"moved","code":"expect_failed","last":"17"}`},
		{first, false, `409 "" "" {"message":"moved","code":"expect_failed","last":""}`},
		{changed, false, `412 "" "" {"message":"changed","code":"version_mismatch","current":{"n":1}}`},
		{errors.New("/srv"), false, `500 "" "" {"message":"the gateway failed; its log has the cause under the X-Request-Id of the request","code":"internal"}`},
	} {
		answer := httptest.NewRecorder()
		ctx := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), answer)
		if c.plain {
			httperr.PlainText(ctx)
		}
		httperr.Handler(slog.New(slog.DiscardHandler))(c.err, ctx)
		h := answer.Header()
		if got := fmt.Sprintf("%d %q %q %s", answer.Code, h.Get("Retry-After"), h.Get("WWW-Authenticate"), answer.Body); got != c.want+"\n" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%v:\ngot  %swant %s", c.err, got, c.want)
		}
		if status, code := httperr.Noted(ctx); status != answer.Code || code != httperr.From(c.err).Code {
			t.Errorf("%v: noted %d %s", c.err, status, code)
		}
	}
}

// TestRaw: net/http reads what is written without it, with the headers of any other refusal.
func TestRaw(t *testing.T) {
	t.Parallel()
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(httperr.Raw(httperr.New(503, httperr.MemoryFull, "full").After(time.Millisecond)))), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %t %s %s %s %s", answer.Status, answer.Close, answer.Header.Get("Content-Type"), answer.Header.Get("Retry-After"), answer.Header.Get("Cache-Control"), body)
	if want := `503 Service Unavailable true application/json 1 no-store {"message":"full","code":"client_memory_full"}` + "\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestLog: the operator's log has the cause of the gateway's own faults, of a full disk once in a while, and of nothing
// that the client is to mend.
func TestLog(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	for _, e := range []*httperr.Error{
		httperr.New(400, httperr.BadJSON, "x").Because(errors.New("client")),
		httperr.New(503, httperr.Busy, "x"),
		httperr.From(errors.New("broken")),
	} {
		httperr.LogMessage(log, "/room", "id1", e)
	}
	full := httperr.From(fmt.Errorf("x: %w", syscall.ENOSPC))
	for range 3 {
		httperr.LogMessage(log, "/room", "id2", full)
	}
	got := text.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, `code=internal path=/room cause=broken request_id=id1`) || strings.Count(got, "disk_full") != 1 {
		t.Errorf("%s", got)
	}
}
