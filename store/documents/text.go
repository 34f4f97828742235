package documents

import (
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// MetaFields are the fields that the store adds to a document, besides _id.
var MetaFields = []string{"_created", "_changed", "_createdby", "_changedby", "_version"}

func isMeta(name string) bool {
	switch name {
	case "_id", "_created", "_changed", "_createdby", "_changedby", "_version":
		return true
	}
	return false
}

// meta are a document's id and metafields.
type meta struct {
	id                 string
	created, changed   time.Time
	createdBy, changer string
	version            int64
}

// timeForm is the format of a time in metafields. All texts have the same length, so they sort as the times do.
const timeForm = "2006-01-02T15:04:05.000Z"

// Time formats a time as metafields have it.
func Time(t time.Time) string { return t.UTC().Format(timeForm) }

// text returns the text of a document.
func (m *meta) text(f *Fields) []byte {
	n := 256 + len(m.id)
	for i := range f.names {
		n += len(f.names[i]) + len(f.values[i]) + 4
	}
	b := make([]byte, 0, n)
	b = gjson.AppendJSONString(append(b, `{"_id":`...), m.id)
	for i, name := range f.names {
		b = gjson.AppendJSONString(append(b, ','), name)
		b = append(append(b, ':'), f.values[i]...)
	}
	b = m.created.UTC().AppendFormat(append(b, `,"_created":"`...), timeForm)
	b = m.changed.UTC().AppendFormat(append(b, `","_changed":"`...), timeForm)
	b = gjson.AppendJSONString(append(b, `","_createdby":`...), m.createdBy)
	b = gjson.AppendJSONString(append(b, `,"_changedby":`...), m.changer)
	return append(strconv.AppendInt(append(b, `,"_version":`...), m.version, 10), '}')
}

// read splits a document's text. The results point into the text, which is never modified.
func read(text []byte) (m meta, f Fields) {
	gjson.ParseBytes(text).ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "_id":
			m.id = value.Str
		case "_created":
			m.created, _ = time.Parse(timeForm, value.Str)
		case "_changed":
			m.changed, _ = time.Parse(timeForm, value.Str)
		case "_createdby":
			m.createdBy = value.Str
		case "_changedby":
			m.changer = value.Str
		case "_version":
			m.version = value.Int()
		default:
			f.names, f.values = append(f.names, name.Str), append(f.values, []byte(value.Raw))
		}
		return true
	})
	return m, f
}

// ID is the _id of a document's text.
func ID(text []byte) string { return gjson.GetBytes(text, "_id").Str }
