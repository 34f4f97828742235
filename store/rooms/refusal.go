package rooms

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoRoom is the error of whoever enters a room that is not there.
var ErrNoRoom = errors.New("there is no such room")

// Reason is why something was refused that may go well later.
type Reason int

// Reasons of a Refusal.
const (
	Full       Reason = iota // the room has its connections
	TooMany                  // there are as many rooms as may be
	TooManyOwn               // the maker has as many as it may
	TooFast                  // rooms are made, or a room is pushed to, too fast
)

// Refusal is the error of what is beyond a limit now.
type Refusal struct {
	Reason  Reason
	Message string        // for the client: it names the setting
	Wait    time.Duration // when to try again
}

func (r *Refusal) Error() string { return r.Message }

func refuse(reason Reason, wait time.Duration, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Wait: wait, Message: fmt.Sprintf(format, args...)}
}
