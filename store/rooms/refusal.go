package rooms

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoRoom is the error of entering a room that does not exist.
var ErrNoRoom = errors.New("there is no such room")

// Reason is why something was refused that may succeed later.
type Reason int

// The reasons of a Refusal.
const (
	Full       Reason = iota // the room has as many connections as allowed
	TooMany                  // there are as many rooms as allowed
	TooManyOwn               // the maker has as many rooms as allowed
	TooFast                  // rooms are made, or pushes are sent, too fast
)

// Refusal is the error of what exceeds a limit now.
type Refusal struct {
	Reason  Reason
	Message string        // for the client: it names the setting
	Wait    time.Duration // when to try again
}

func (r *Refusal) Error() string { return r.Message }

func refuse(reason Reason, wait time.Duration, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Wait: wait, Message: fmt.Sprintf(format, args...)}
}
