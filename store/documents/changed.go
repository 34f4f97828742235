package documents

import (
	"bytes"
	"encoding/json"

	"sluice/store/eventlog"
)

// What the Meta of an event of documents begins with: it tells them from events of the same name that somebody has
// published, which are no change of any document.
const (
	metaPart = 'p' // of a change of several, whose last event tells them all
	metaAll  = 'd' // documents, as a JSON array; of a post and a delete none
)

// Changed is what an event says of documents.
type Changed struct {
	Kind      string   // post, put or delete
	IDs       []string // of a delete
	Documents [][]byte // else: as they are after the change
}

// Changes reads an event; false where it is no change of documents, or is told by a later event of the same commit:
// several documents that are updated at once are an event each, and one change.
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

// updated makes the events of documents that were updated at once.
func updated(collection string, ids []string, texts [][]byte) []eventlog.Event {
	events := make([]eventlog.Event, len(ids))
	for i, id := range ids {
		data, _ := json.Marshal(id) // a string
		events[i] = eventlog.Event{Name: "put", Collection: collection, Data: data, Meta: []byte{metaPart}}
	}
	all := append([]byte{metaAll, '['}, bytes.Join(texts, []byte{','})...)
	events[len(events)-1].Meta = append(all, ']')
	return events
}
