package rows

import (
	"encoding/json"
	"errors"
	"strings"
)

// kinds are all kinds of rows, by their prefixes. The value is true if the rows have JSON values.
var kinds = map[string]bool{
	Keyed: false, Origin: false, Cluster: true, Level: false, Member: true, Retract: false,
	Database: true, Namespace: false, Annotation: true, Cloning: false, Retired: true,
	Document: true, Index: false, Indexed: false, Counted: false,
	Subscription: true, Channels: false,
	Key: true, Once: false, Secret: false, Minter: true, RevokedJTI: false, RevokedSubject: false, User: true, Session: true, Account: true,
}

// Errors of Check.
var (
	ErrPrefix = errors.New("its prefix is not registered: a newer version wrote it, or it is damaged")
	ErrJSON   = errors.New("its value is no JSON")
)

// Check returns an error if a row is of no kind in the registry, or if its value should be JSON and is not.
func Check(key string, value []byte) error {
	isJSON, registered := kinds[prefix(key)]
	switch {
	case !registered:
		return ErrPrefix
	case isJSON && !json.Valid(value):
		return ErrJSON
	}
	return nil
}

// prefix returns the registered prefix that a key begins with, or "". Prefixes have up to two slashes.
func prefix(key string) string {
	for end := 0; ; {
		n := strings.IndexByte(key[end:], '/')
		if n < 0 {
			return ""
		}
		end += n + 1
		if _, registered := kinds[key[:end]]; registered {
			return key[:end]
		}
	}
}
