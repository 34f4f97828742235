package admin

import (
	"errors"
	"net/http"

	"sluice/auth"
	"sluice/auth/user"
	"sluice/auth/version"
	"sluice/handlers/httperr"
)

// refusal turns an error of keys, users or revocations into an answer. Any other error is the log's.
func refusal(err error) error {
	var (
		otherKey  *version.ChangedError[auth.KeyInfo]
		otherUser *version.ChangedError[*user.User]
		made      *auth.MadeError
	)
	switch {
	case errors.As(err, &otherKey):
		return mismatch(otherKey.Now)
	case errors.As(err, &otherUser):
		return mismatch(answerUser(otherUser.Now))
	case errors.As(err, &made):
		e := httperr.New(http.StatusConflict, httperr.AlreadyCreated, "this Idempotency-Key made the key %s already, and the gateway cannot show it again; if you do not have it, revoke it and use a new Idempotency-Key", made.Key.ID)
		e.Current = made.Key
		return e
	}
	e := httperr.OfLog(err)
	if e.Code == httperr.TooManySignIns { // clients of this door know it as
		e.Code = httperr.Unavailable
	}
	return e
}

// mismatch answers a change that was meant for another version than the current one.
func mismatch(current any) *httperr.Error {
	e := httperr.New(http.StatusPreconditionFailed, httperr.VersionMismatch, "it has changed since that version; nothing was done, and the field current has what it is now")
	e.Current = current
	return e
}
