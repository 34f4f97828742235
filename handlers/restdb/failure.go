package restdb

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sluice/broker/document"
	"sluice/broker/document/query"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
)

// retryLater is when somebody who met a passing failure may come back.
const retryLater = 2 * time.Second

// refusals are the store's errors that the client is to mend.
var refusals = []struct {
	err    error
	status int
	code   string
}{
	{document.ErrNotFound, http.StatusNotFound, httperr.NotFound},
	{document.ErrCollection, http.StatusNotFound, httperr.NotFound},
	{document.ErrTaken, http.StatusConflict, httperr.IDTaken},
	{document.ErrTwice, http.StatusBadRequest, httperr.BadDocument},
	{document.ErrID, http.StatusBadRequest, httperr.BadDocument},
	{document.ErrShape, http.StatusBadRequest, httperr.BadDocument},
	{document.ErrTime, http.StatusBadRequest, httperr.QueryTooSlow},
}

// failed is an error as an answer.
func failed(err error) error {
	var refused *query.Error
	var limit *document.LimitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*httperr.Error)):
		return err
	case errors.As(err, &refused):
		return httperr.New(http.StatusBadRequest, httperr.BadQuery, "%v", refused)
	case errors.As(err, &limit):
		return over(limit)
	}
	for _, k := range refusals {
		if errors.Is(err, k.err) {
			return httperr.New(k.status, k.code, "%v", err)
		}
	}
	switch {
	case errors.Is(err, document.ErrCrowd):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", document.ErrCrowd).After(time.Second)
	case errors.Is(err, document.ErrMemory):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", document.ErrMemory).After(time.Second)
	case errors.Is(err, document.ErrBusy):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", document.ErrBusy).After(time.Second).Because(err)
	case errors.Is(err, eventlog.ErrUnknown):
		return httperr.New(http.StatusServiceUnavailable, httperr.UnknownOutcome,
			"the log cannot take changes now; whether this one was stored is not known: look before you repeat it").After(retryLater).Because(err)
	case errors.Is(err, eventlog.ErrUnavailable):
		return httperr.OfLog(err)
	case errors.Is(err, context.Canceled):
		return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "the request was given up").After(retryLater)
	}
	return err
}

// over is the answer to what would cross a bound.
func over(limit *document.LimitError) *httperr.Error {
	status, code := http.StatusRequestEntityTooLarge, httperr.TooManyDocuments
	switch limit.Setting {
	case "MAX_DOCUMENT":
		code = httperr.DocumentTooLarge
	case "MAX_RESULT":
		status, code = http.StatusBadRequest, httperr.ResultTooLarge
	case "MAX_DOCUMENTS", "MAX_COLLECTION_BYTES", "MAX_COLLECTIONS":
		status, code = http.StatusConflict, httperr.CollectionFull
	}
	return httperr.New(status, code, "%v", limit)
}
