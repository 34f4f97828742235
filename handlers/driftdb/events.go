package driftdb

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/broker/sse"
	"sluice/channel"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/rooms"
)

// send serves POST /room/{id}/send: one message, and its answer.
func (h *Handler) send(c echo.Context) error {
	id := c.Param("room")
	if err := h.enter(c, id); err != nil {
		return err
	}
	defer h.rooms.Leave(id)
	m, err := h.body(c)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	answer := []byte("null")
	out := http.NewResponseController(c.Response().Writer)
	l := load{of: h.unread, cut: func() { _ = out.SetWriteDeadline(time.Now()) }} // the connection may be gone
	defer l.done()
	switch m.kind {
	case kindPing:
		answer = modeJSON.pong(m)
	case kindGet:
		if m.live {
			break
		}
		entries, _, err := h.retainedAfter(charged(c), id, m, &l)
		if err != nil {
			return httperr.OfLog(err)
		}
		wanted := entries[:0]
		for _, e := range entries {
			if e.Seq > m.seq {
				wanted = append(wanted, e)
			}
		}
		answer = modeJSON.init(nil, m.key, wanted)
	default:
		if err := h.rooms.Allow(charged(c), id, m.op); err != nil {
			return err
		}
		_, size, err := h.publish(charged(c), id, m)
		if err != nil {
			return err
		}
		if size > 1 {
			answer = modeJSON.size(m.key, size)
		}
	}
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(answer)+1))
	c.Response().WriteHeader(http.StatusOK)
	if err := l.write(c.Response(), answer); err != nil {
		return err
	}
	_, err = c.Response().Write([]byte{'\n'}) // as after every JSON answer
	return err
}

func (h *Handler) body(c echo.Context) (*message, error) {
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory})
	if err != nil {
		return nil, err
	}
	m, err := decodeJSON(bytes.TrimSpace(text))
	if err != nil {
		return nil, undecodable(err)
	}
	return m, nil
}

// undecodable refuses a malformed message, with DriftDB's text.
func undecodable(err error) *httperr.Error {
	return httperr.New(http.StatusUnprocessableEntity, httperr.BadEvent, "Could not decode message: %v", err)
}

// pushes encodes a room as Server-Sent Events: one frame named push for each push, with DriftDB's message as its data.
type pushes struct {
	narrow bool // only the pushes of key
	key    string
}

// Wants reports whether the stream includes a push.
func (p pushes) Wants(e *eventlog.Event) bool { return !p.narrow || e.Key == p.key }

// Append appends a frame.
func (p pushes) Append(dst []byte, e *eventlog.Event) []byte { return p.AppendReplayed(dst, e, e.ID) }

// AppendReplayed appends a frame, with an id if the client can resume after it.
func (pushes) AppendReplayed(dst []byte, e *eventlog.Event, position uint64) []byte {
	if position != 0 {
		dst = strconv.AppendUint(append(dst, "id: "...), position, 10)
		dst = append(dst, '\n')
	}
	dst = append(dst, "event: push\ndata: "...)
	dst = sse.AppendPush(dst, e.Key, e.Data, e.Seq)
	return append(dst, "\n\n"...)
}

// AppendGap appends nothing: a room loses nothing that it retains.
func (pushes) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// roomNotices writes the frames of a room's stream that are not pushes.
type roomNotices struct {
	retry time.Duration
	gap   eventlog.Gap // why the stream cannot resume after the client's id; it then starts with everything retained
}

func (w roomNotices) Opening(*broker.Subscriber) []byte {
	dst := append([]byte("retry: "), strconv.FormatInt(w.retry.Milliseconds(), 10)...)
	dst = append(dst, "\n\n"...)
	if w.gap != eventlog.NoGap {
		dst = append(dst, `event: gap
data: {"event":"gap","data":{"reason":"`...)
		dst = append(append(dst, w.gap...), "\"}}\n\n"...)
	}
	return dst
}

func (roomNotices) Ping(s *broker.Subscriber, now time.Time) []byte { return s.AppendPing(nil, now) }

func (roomNotices) Live() []byte { return nil }

func (roomNotices) Over(uint64, writers.RangeEnd) []byte { return nil }

func (roomNotices) Last(reason broker.End) []byte {
	switch reason {
	case broker.EndDraining, broker.EndBehind, writers.Failed:
		return sse.AppendBusy(nil, "", http.StatusServiceUnavailable, "the gateway is shutting down or cannot read its log; come back in a moment", time.Second)
	}
	return nil
}

// retryRoom is the reconnection time of a room's stream.
const retryRoom = time.Second

// events serves a room to an EventSource: first the entries that the room retains, then new pushes. A client can resume.
func (h *Handler) events(c echo.Context) error {
	id := strings.Clone(c.Param("room")) // a substring would keep the request in memory
	key := strings.Clone(c.QueryParam("key"))
	if len(key) > maxKey {
		return httperr.New(http.StatusBadRequest, httperr.BadParameter, "parameter key: is longer than %d bytes; no key can be", maxKey)
	}
	lease := h.streams.Lease(c, anybody)
	defer lease.Close()
	if err := h.join(c, id); err != nil {
		return h.busy(c, err)
	}
	lease.Hold(traffic.ReleaseFunc(func() { h.rooms.Disconnect(id) }))
	start, notices, err := h.resume(c, id)
	if err == nil {
		err = lease.EnterOpen()
	}
	if err != nil {
		return h.busy(c, err)
	}
	if c.Request().Method == http.MethodHead {
		writers.SetHeaders(c, writers.EventStream, false)
		return c.NoContent(http.StatusOK)
	}
	lease.Notices = notices
	place, err := lease.SubscribeAt(h.writers, c, broker.Filter{
		Channels: channel.NewSet(channel.Pattern{Space: rooms.Space(id)}), Encoder: pushes{c.QueryParams().Has("key"), key}, Start: &start, Opened: true,
	})
	if err != nil {
		return h.busy(c, traffic.ErrDraining())
	}
	writers.SetHeaders(c, writers.EventStream, false)
	lease.Serve(c, place)
	return nil
}

func (h *Handler) busy(c echo.Context, err error) error {
	return h.o.Traffic.RefuseStream(c, h.o.Logger, lastEventID(c), err)
}

// lastEventID returns the id that a client resumes after, or "".
func lastEventID(c echo.Context) string {
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		return last
	}
	return c.QueryParam("lastEventId")
}

// resume finds where a client's stream starts: after its id, or with everything retained if that is impossible.
func (h *Handler) resume(c echo.Context, id string) (start eventlog.Start, notices roomNotices, err error) {
	notices.retry = retryRoom
	last := lastEventID(c)
	if last == "" {
		return start, notices, nil
	}
	if start, err = h.o.Broker.Log().Locate(c.Request().Context(), rooms.Space(id), last); err != nil {
		return start, notices, httperr.OfLog(err)
	}
	if start.Gap != eventlog.NoGap {
		notices.gap = start.Gap
		start = eventlog.Start{}
	}
	return start, notices, nil
}
