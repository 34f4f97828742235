package eventlog

import (
	"crypto/sha256"
	"errors"
)

// Condition is a condition on a row: it has a value with a certain hash, or it does not exist. A hash instead of the value
// keeps requests small, as they travel.
type Condition struct {
	Key   string
	There bool
	Sum   [sha256.Size]byte // of the value, if There
}

// RowIs is the condition that a row has a value; a nil value means that it does not exist.
func RowIs(key string, value []byte) Condition {
	if value == nil {
		return Condition{Key: key}
	}
	return Condition{Key: key, There: true, Sum: sha256.Sum256(value)}
}

// ErrRow is the error of a request whose conditions on rows do not hold.
var ErrRow = errors.New("a row has changed since it was read")

// holds reports whether a value meets the condition.
func (c *Condition) holds(value []byte) bool {
	if value == nil || !c.There {
		return (value != nil) == c.There
	}
	return sha256.Sum256(value) == c.Sum
}

// rowsHold checks the If of a request against the rows. Only the committer writes rows, so nothing can change in between.
func (c *committer) rowsHold(r *Request) error {
	for i := range r.If {
		value, err := c.row(r.If[i].Key)
		if err != nil {
			return err
		}
		if !r.If[i].holds(value) {
			return ErrRow
		}
	}
	return nil
}
