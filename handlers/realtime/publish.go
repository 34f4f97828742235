package realtime

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/handlers/idempotency"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/share"
	"sluice/store/streams"
)

const unknownOutcomeAddendum = "; it is unknown if the events were stored: repeat with the same Idempotency-Key, which is safe"

func (h *Handler) publish(c echo.Context) error {
	started := time.Now()
	running := h.o.Traffic.EnterPublish()
	if running {
		defer h.o.Traffic.LeavePublish()
	}
	count, err := h.publishEvents(c, running)
	code := "ok"
	if err != nil {
		code = httperr.From(err).Code
	}
	h.o.Traffic.Published(code, count, time.Since(started))
	return err
}

// publishEvents checks in the order of the table in docs/protocol.md. The first fault is the answer.
func (h *Handler) publishEvents(c echo.Context, running bool) (int, error) {
	r := c.Request()
	id, _, err := h.identify(c)
	if err != nil {
		return 0, err
	}
	ndjson, bad := contentType(r.Header)
	if bad != nil {
		return 0, bad
	}
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: id.Scope})
	if err != nil {
		return 0, err
	}
	now := time.Now()
	if over := id.Over(now); over != nil {
		return 0, over
	}
	if !body.FormIsJSON(r.Header, text) {
		return 0, httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType, "%s; %s", unsupportedType, body.FormFault(text))
	}
	hash := hashForKey(r.Header, text)
	b, bad := decode(text, ndjson, h.o.MaxEvent)
	if bad != nil {
		return 0, bad
	}
	if bad := b.allowed(id); bad != nil {
		return 0, bad
	}
	return h.store(c, id, b, hash, now, running)
}

// unsupportedType is the message for an unsupported content type.
const unsupportedType = "this Content-Type is not supported; send application/json for one event or an array, application/x-ndjson for one a line"

// contentType reports whether the body is NDJSON. It accepts the two types in UTF-8 without an encoding, and curl's type for
// forms, with which the body must be JSON.
func contentType(head http.Header) (ndjson bool, _ *httperr.Error) {
	refuse := func(format string, args ...any) (bool, *httperr.Error) {
		return false, httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType, format, args...)
	}
	values := head.Values(echo.HeaderContentType)
	if len(values) != 1 {
		return refuse("send one Content-Type: application/json for one event or an array, application/x-ndjson for one a line")
	}
	if values[0] == echo.MIMEApplicationJSON {
		return false, noEncoding(head) // as most do; parsing it takes longer
	}
	if body.Form(head) {
		return false, noEncoding(head)
	}
	kind, params, err := mime.ParseMediaType(values[0])
	if err != nil || kind != echo.MIMEApplicationJSON && kind != writers.NDJSON {
		return refuse(unsupportedType)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return refuse("application/json and application/x-ndjson must be in charset utf-8")
	}
	return kind == writers.NDJSON, noEncoding(head)
}

func noEncoding(head http.Header) *httperr.Error {
	if len(head.Values(echo.HeaderContentEncoding)) == 0 {
		return nil
	}
	return httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedEncoding,
		"Content-Encoding is not supported; send application/json or application/x-ndjson uncompressed")
}

func (b *batch) allowed(id *auth.Identity) *httperr.Error {
	if id.Pub.Empty() {
		return forbiddenToPublish()
	}
	for i := range b.events {
		if ch := b.events[i].Channel(); !id.Pub.Match(ch) {
			return httperr.New(http.StatusForbidden, httperr.Forbidden, "%sis on the channel %q, to which this credential may not publish", b.eventName(i), ch)
		}
	}
	return nil
}

func forbiddenToPublish() *httperr.Error {
	return httperr.New(http.StatusForbidden, httperr.Forbidden,
		`this credential may publish nothing; give it channels ("pub" of the key, "realtime" of the token)`)
}

// store is the part of a publish from the idempotency key on.
func (h *Handler) store(c echo.Context, id *auth.Identity, b *batch, hash [sha256.Size]byte, now time.Time, running bool) (int, error) {
	once, answer, err := h.once(c.Request(), id, hash)
	if err != nil {
		return 0, err
	}
	if answer != nil {
		c.Response().Header().Set(idempotency.Replay, "true")
		return 0, b.answer(c, answer.First)
	}
	if ok, wait := id.Take(now, len(b.events)); !ok {
		return 0, httperr.OverRate("this credential publishes faster than its rate allows", wait)
	}
	if !running {
		return 0, traffic.ErrDraining()
	}
	first, err := h.append(share.WithSender(c.Request().Context(), id.Scope, traffic.SenderOf(c, doorName, id)), id, b, once)
	if err != nil {
		return 0, err
	}
	if once != nil && once.Replayed { // by a request that was under way
		c.Response().Header().Set(idempotency.Replay, "true")
		return 0, b.answer(c, first)
	}
	return len(b.events), b.answer(c, first)
}

func (h *Handler) append(ctx context.Context, id *auth.Identity, b *batch, once *eventlog.Once) (first uint64, err error) {
	var w writings
	var bad *httperr.Error
	behind := h.o.Broker.Log().Again(ctx, func() bool { // another gateway may have made the database or the namespace just now
		w, bad = h.prepareDatabases(id, b)
		return bad == nil
	})
	switch {
	case behind != nil:
		return 0, behind
	case bad != nil:
		return 0, bad
	}
	b.request = eventlog.Request{Events: b.events, Expect: b.expect, Once: once}
	if len(w) == 0 {
		first, err = h.o.Broker.Log().Append(ctx, &b.request)
	} else {
		first, err = h.o.Databases.Store(ctx, &b.request, slices.Collect(maps.Values(w))...)
	}
	if err != nil {
		return 0, publishError(b, err)
	}
	return first, nil
}

// hashForKey hashes a body as it was sent, for a request that has an Idempotency-Key.
func hashForKey(head http.Header, body []byte) (sum [sha256.Size]byte) {
	if len(head.Values(idempotency.Header)) == 0 {
		return sum
	}
	hash := sha256.New()
	io.WriteString(hash, head.Get(echo.HeaderContentType)) // a hash never fails
	hash.Write([]byte{0})
	hash.Write(body)
	return [sha256.Size]byte(hash.Sum(nil))
}

func (h *Handler) once(r *http.Request, id *auth.Identity, hash [sha256.Size]byte) (*eventlog.Once, *eventlog.Answer, error) {
	key, err := idempotency.Key(r.Header)
	if key == "" {
		return nil, nil, err
	}
	once, answer, err := h.o.Broker.Log().Once(id.IdempotencyScope(), key, hash)
	if err != nil {
		return nil, nil, publishError(nil, err)
	}
	return once, answer, nil
}

func publishError(b *batch, err error) error {
	var expect *eventlog.ExpectError
	if errors.As(err, &expect) {
		e := httperr.New(http.StatusConflict, httperr.ExpectFailed, "%sexpects a different last id of its stream; read on from there and try again", b.eventName(expect.Index))
		e.Last = strconv.FormatUint(expect.Last, 10)
		return e
	}
	var space *streams.SpaceError
	if errors.As(err, &space) {
		status, code := spaceFault(err)
		return httperr.New(status, code, "space %q: %v", space.Space, err)
	}
	e := httperr.OfLog(err)
	if e.Code == httperr.UnknownOutcome || errors.Is(err, context.Canceled) { // what to do about it is known here
		e.Code, e.Message = httperr.UnknownOutcome, eventlog.Explain(err)+unknownOutcomeAddendum
	}
	return e
}

var noStore = []string{"no-store"} // shared by all answers, and never changed

// answer writes the ids, which are consecutive. It builds the JSON by hand: the shape is fixed, and reflection took 5 % of a
// publish.
func (b *batch) answer(c echo.Context, first uint64) error {
	c.Response().Header()[echo.HeaderCacheControl] = noStore
	if b.single {
		text := b.text[:0]
		text = append(text, `{"message":"OK","id":"`...)
		text = strconv.AppendUint(text, first, 10)
		text = append(text, "\"}\n"...)
		return body.JSON(c, http.StatusOK, text)
	}
	text := append(make([]byte, 0, 48+20*len(b.events)), `{"message":"OK","ids":[`...)
	for i := range b.events {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, '"')
		text = strconv.AppendUint(text, first+uint64(i), 10)
		text = append(text, '"')
	}
	return body.JSON(c, http.StatusOK, append(text, "]}\n"...))
}
