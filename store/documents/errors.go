package documents

import (
	"errors"
	"fmt"
)

// What callers may decide on. Others are the log's and the query's.
var (
	ErrNotFound   = errors.New("there is no such document")
	ErrTaken      = errors.New("the collection has a document with this id already")
	ErrTwice      = errors.New("an id is there twice; send each once")
	ErrID         = errors.New("an id is 1 to 128 letters, digits, and . _ ~ - signs")
	ErrCollection = errors.New("a collection's name is 1 to 128 letters, digits, - and _ signs")
	ErrShape      = errors.New("a document is a JSON object, without a field twice, not nested deeper than 100")
	ErrBusy       = errors.New("the document is being changed by too many others; try again in a moment")
	ErrCrowd      = errors.New("too many queries look at many documents at this moment; try again in a moment, narrow it, or declare an index by COLLECTION_INDEXES")
	ErrMemory     = errors.New("the answers under way take as much memory as they may; try again in a moment, or ask for fewer documents or fields")
	ErrTime       = errors.New("the query took longer than QUERY_TIME: narrow it, or declare an index by COLLECTION_INDEXES")
)

// Setting is the setting that raises a bound.
type Setting string

// The settings of the store's bounds.
const (
	Fixed              Setting = "" // none does
	MaxDocument        Setting = "MAX_DOCUMENT"
	MaxDocuments       Setting = "MAX_DOCUMENTS"
	MaxCollectionBytes Setting = "MAX_COLLECTION_BYTES"
	MaxCollections     Setting = "MAX_COLLECTIONS"
	MaxResult          Setting = "MAX_RESULT"
)

// LimitError says which bound a change or an answer would go over.
type LimitError struct {
	What    string // as in "the collection would have more than 5 documents"
	Most    int64
	Setting Setting
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf(e.What, e.Most)
	if e.Setting != Fixed {
		s += " (" + string(e.Setting) + ")"
	}
	return s
}
