package documents

import (
	"errors"
	"fmt"
)

// Errors that callers may act on. Other errors come from the log and from package query.
var (
	ErrNotFound   = errors.New("there is no such document")
	ErrTaken      = errors.New("the collection has a document with this id already")
	ErrTwice      = errors.New("an id occurs twice; send each id once")
	ErrID         = errors.New("an id has 1 to 128 characters: letters, digits, and . _ ~ -")
	ErrCollection = errors.New("a collection's name has 1 to 128 characters: letters, digits, - and _")
	ErrShape      = errors.New("a document is a JSON object, nested at most 100 deep, in which no field occurs twice")
	ErrBusy       = errors.New("too many other requests change this document; try again in a moment")
	ErrCrowd      = errors.New("too many queries that read many documents are running; try again in a moment, narrow the query, or declare an index with COLLECTION_INDEXES")
	ErrMemory     = errors.New("the answers being sent use all the memory for answers; try again in a moment, or ask for fewer documents or fields")
	ErrTime       = errors.New("the query took longer than QUERY_TIME: narrow it, or declare an index with COLLECTION_INDEXES")
)

// Setting is the setting to raise for a bound.
type Setting string

// The settings of the store's bounds.
const (
	Fixed              Setting = "" // the bound is fixed
	MaxDocument        Setting = "MAX_DOCUMENT"
	MaxDocuments       Setting = "MAX_DOCUMENTS"
	MaxCollectionBytes Setting = "MAX_COLLECTION_BYTES"
	MaxCollections     Setting = "MAX_COLLECTIONS"
	MaxResult          Setting = "MAX_RESULT"
)

// LimitError is the error of a change or an answer that would exceed a bound.
type LimitError struct {
	What    string // as in "the collection would have more than 5 documents"
	Max     int64
	Setting Setting
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf(e.What, e.Max)
	if e.Setting != Fixed {
		s += " (" + string(e.Setting) + ")"
	}
	return s
}
