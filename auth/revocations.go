package auth

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"sluice/store/eventlog"
)

// RevocationInfo is one revocation as lists have it.
type RevocationInfo struct {
	Revocation
	Revoked time.Time `json:"revoked,omitzero"` // zero if a newer version wrote it
}

// SortKey orders the revocations as Revocations passes them: those of single tokens first, then those of subjects.
func (i *RevocationInfo) SortKey() string {
	if i.Subject != "" {
		return "2" + i.Subject
	}
	return "1" + i.JTI
}

// Revocations calls f with each revocation, in the order of their sort keys. It reads rows and holds no lock, so that a
// list of a million revocations keeps no request waiting.
func (a *Authenticator) Revocations(ctx context.Context, f func(*RevocationInfo)) error {
	if a.revoked.log == nil {
		return nil
	}
	for _, prefix := range []string{rowJTI, rowSubject} {
		err := a.revoked.log.Rows(prefix, func(r eventlog.Row) error {
			name := strings.TrimPrefix(r.Key, prefix)
			var i RevocationInfo
			if prefix == rowJTI {
				i.JTI = name
			} else {
				i.Subject = name
			}
			if second := secondOf(r.Value); second != math.MaxInt64 {
				i.Revoked = time.Unix(second, 0).UTC()
			}
			f(&i)
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("reading revocations: %w", err)
		}
	}
	return nil
}
