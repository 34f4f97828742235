package restdb

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
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
	{documents.ErrNotFound, http.StatusNotFound, httperr.NotFound},
	{documents.ErrCollection, http.StatusNotFound, httperr.NotFound},
	{documents.ErrTaken, http.StatusConflict, httperr.IDTaken},
	{documents.ErrTwice, http.StatusBadRequest, httperr.BadDocument},
	{documents.ErrID, http.StatusBadRequest, httperr.BadDocument},
	{documents.ErrShape, http.StatusBadRequest, httperr.BadDocument},
	{documents.ErrTime, http.StatusBadRequest, httperr.QueryTooSlow},
}

// failed is an error as an answer.
func failed(err error) error {
	var refused *query.Error
	var limit *documents.LimitError
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
	case errors.Is(err, documents.ErrCrowd):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", documents.ErrCrowd).After(time.Second)
	case errors.Is(err, documents.ErrMemory):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", documents.ErrMemory).After(time.Second)
	case errors.Is(err, documents.ErrBusy):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "%v", documents.ErrBusy).After(time.Second).Because(err)
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
func over(limit *documents.LimitError) *httperr.Error {
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
