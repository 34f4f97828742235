package streams

import (
	"errors"
	"fmt"
)

// Errors that callers may act on. Other errors are the log's.
var (
	ErrNoDatabase   = errors.New("there is no such database")
	ErrNoNamespace  = errors.New("there is no such namespace")
	ErrNoStream     = errors.New("there is no such stream")
	ErrNoEvent      = errors.New("there is no such event")
	ErrNoAnnotation = errors.New("the stream has no annotation")
	ErrTaken        = errors.New("the name is taken")
	ErrName         = errors.New("the name cannot be used")
	ErrRole         = errors.New("unknown role")
	ErrTooMany      = errors.New("there are too many")
	ErrFull         = errors.New("there is no room")
	ErrBusy         = errors.New("too many clones of this account wait already; try again when some are done")
	ErrMayNot       = errors.New("only an admin may create a namespace by writing to it")
)

// NoEvent is the ErrNoEvent of an id in a stream.
func NoEvent(id, stream string) error { return fmt.Errorf("%w: %q in %q", ErrNoEvent, id, stream) }
