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

// AppendGap appends what tells that events are gone which nobody deleted: as only DATA_DIR=memory lets go of
// some.
func (e encoder) AppendGap(dst []byte, _ uint64, after string) []byte {
	return appendFailure(dst, httperr.New(http.StatusGone, nameExpired, "events behind %s are no longer there: DATA_DIR=memory keeps at most 256 MiB", after))
}

// retry is the reconnection time of a bare EventSource.
const retry = "retry: 1000\n\n"

// end ends a feed whose range is exhausted.
const end = "event: error\ndata: \n\n"

// words are what a feed says beside its events.
type words struct{}

var _ writers.Words = words{}

func (words) Opening(*broker.Subscriber) []byte { return []byte(retry) }

func (words) Ping(*broker.Subscriber, time.Time) []byte { return []byte(":\n\n") }

func (words) Live() []byte { return nil }

func (words) Over(uint64, writers.RangeEnd) []byte { return []byte(end) }

func (words) Last(reason broker.End) []byte {
	switch reason {
	case broker.EndDraining:
		return appendFailure(nil, httperr.New(http.StatusServiceUnavailable, nameUnavailable, "the gateway is shutting down; read on from the last event in a moment"))
	case writers.Failed:
		return appendFailure(nil, httperr.New(http.StatusServiceUnavailable, nameUnavailable, "the log cannot be read now; read on from the last event in a moment"))
	case broker.EndExpired, broker.EndRevoked:
		return appendFailure(nil, httperr.New(http.StatusUnauthorized, nameCredentials, "the credential has ended"))
	case broker.EndChanged:
		return appendFailure(nil, httperr.New(http.StatusForbidden, nameForbidden, "the database, the namespace, or what may be read of it has changed; read again"))
	}
	return nil
}
