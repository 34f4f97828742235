package documents

import (
	"encoding/json"

	"sluice/store/eventlog"
)

// The first byte of the Meta of an event of documents. It distinguishes such an event from one of the same name that a
// client has published, which changes no document.
const (
	metaPart = eventlog.MetaPart // one event of a change of several documents; the last event has them all
	metaAll  = eventlog.MetaAll  // documents, as a JSON array; a post and a delete have none
)

// OfDocuments reports whether an event is of documents.
func OfDocuments(e *eventlog.Event) bool {
	return len(e.Meta) > 0 && (e.Meta[0] == metaPart || e.Meta[0] == metaAll)
}

// Changed is what an event says about documents.
type Changed struct {
	Kind      string   // post, put or delete
	IDs       []string // for a delete
	Documents [][]byte // otherwise: as they are after the change
}

// Changes reads an event. It returns false if the event changes no document, or if a later event of the same commit has
// the change: an update of several documents is one event for each, but one change.
func Changes(e *eventlog.Event) (Changed, bool) {
	c := Changed{Kind: e.Name}
	if len(e.Meta) == 0 || e.Meta[0] != metaAll {
		return c, false
	}
	switch e.Name {
	case "post":
		c.Documents = [][]byte{e.Data}
	case "put":
		var texts []json.RawMessage
		if json.Unmarshal(e.Meta[1:], &texts) != nil {
			return c, false
		}
		for _, t := range texts {
			c.Documents = append(c.Documents, t)
		}
	case "delete":
		if json.Unmarshal(e.Data, &c.IDs) != nil {
			return c, false
		}
	default:
		return c, false
	}
	return c, true
}

// metaStart begins the Meta of an update. The texts follow, each with one more byte.
const metaStart = string(metaAll) + "["

// updated makes the events of an update of several documents.
func updated(collection string, ids []string, texts [][]byte) []eventlog.Event {
	events := make([]eventlog.Event, len(ids))
	for i, id := range ids {
		data, _ := json.Marshal(id) // a string
		events[i] = eventlog.Event{Name: "put", Collection: collection, Data: data, Meta: []byte{metaPart}}
	}
	size := len(metaStart) + len(texts)
	for _, text := range texts {
		size += len(text)
	}
	all := append(make([]byte, 0, size), metaStart...)
	for _, text := range texts {
		all = append(append(all, text...), ',')
	}
	all[len(all)-1] = ']'
	events[len(events)-1].Meta = all
	return events
}
