package persistr

import (
	"net/http"
	"strconv"
	"time"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// encoder makes the messages of a database's feeds.
type encoder struct {
	database string
	clock    *eventlog.Clock
}

// Append appends a message. The id is for a bare EventSource, which comes back with it; the client needs none.
func (e encoder) Append(dst []byte, r *eventlog.Event) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendUint(dst, r.ID, 10)
	dst = append(dst, "\ndata: "...)
	dst = streams.Append(dst, e.clock, e.database, r)
	return append(dst, "\n\n"...)
}

// AppendGap appends a failure: events are gone that nobody deleted. This happens with DATA_DIR=memory only, which
// drops the oldest events when memory runs short.
func (e encoder) AppendGap(dst []byte, _ uint64, after string) []byte {
	return appendFailure(dst, httperr.New(http.StatusGone, nameExpired, "the events after %s are gone: DATA_DIR=memory keeps at most 256 MiB", after))
}

// retry is the reconnection time of a bare EventSource.
const retry = "retry: 1000\n\n"

// end ends a feed whose range is exhausted.
const end = "event: error\ndata: \n\n"

// notices are what a feed sends in addition to its events.
type notices struct{}

var _ writers.Notices = notices{}

func (notices) Opening(*broker.Subscriber) []byte { return []byte(retry) }

func (notices) Ping(*broker.Subscriber, time.Time) []byte { return []byte(":\n\n") }

func (notices) Live() []byte { return nil }

func (notices) Over(uint64, writers.RangeEnd) []byte { return []byte(end) }

func (notices) Last(reason broker.End) []byte {
	switch reason {
	case broker.EndDraining:
		return appendFailure(nil, httperr.New(http.StatusServiceUnavailable, nameUnavailable, "the gateway is shutting down; read on from the last event in a moment"))
	case broker.EndBehind:
		return appendFailure(nil, httperr.New(http.StatusServiceUnavailable, nameUnavailable, "this gateway is behind the others of its cluster; read on from the last event in a moment"))
	case writers.Failed:
		return appendFailure(nil, httperr.New(http.StatusServiceUnavailable, nameUnavailable, "the event log cannot be read now; read on from the last event in a moment"))
	case broker.EndExpired, broker.EndRevoked:
		return appendFailure(nil, httperr.New(http.StatusUnauthorized, nameCredentials, "the credential has ended"))
	case broker.EndChanged:
		return appendFailure(nil, httperr.New(http.StatusForbidden, nameForbidden, "the database, the namespace or a permission has changed; read again"))
	}
	return nil
}
