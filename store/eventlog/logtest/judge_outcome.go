package logtest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"

	"sluice/store/eventlog"
)

// outcome is what became of an entry.
type outcome struct {
	first    uint64
	err      string
	replayed bool
	events   []eventlog.Event // with ids, numbers and drops, if they were stored
	sizes    []int
}

func newOutcome(first uint64, err error, r *eventlog.Request) outcome {
	o := outcome{first: first}
	if err != nil {
		o.err = fmt.Sprintf("%T %+v", err, err)
		if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer {
			o.err = fmt.Sprintf("%T %+v", err, v.Elem())
		}
		return o
	}
	if o.replayed = r.Once != nil && r.Once.Replayed; !o.replayed {
		o.events, o.sizes = slices.Clone(r.Events), slices.Clone(r.Sizes)
	}
	return o
}

func (o *outcome) same(other *outcome) bool {
	return o.first == other.first && o.err == other.err && o.replayed == other.replayed && slices.Equal(o.sizes, other.sizes) &&
		slices.EqualFunc(o.events, other.events, func(a, b eventlog.Event) bool {
			return a.ID == b.ID && a.Seq == b.Seq && slices.Equal(a.Drops, b.Drops)
		})
}

// clones copies entries deeply, as a log writes into their requests.
func clones(entries []eventlog.Entry) []eventlog.Entry {
	out := slices.Clone(entries)
	for i := range out {
		r := *out[i].Request
		r.Events, r.Sizes = cloneEvents(r.Events), nil
		if r.Once != nil {
			once := *r.Once
			r.Once = &once
		}
		if r.Edit != nil {
			edit := *r.Edit
			edit.Remove, edit.Replace = cloneEvents(edit.Remove), slices.Clone(edit.Replace)
			r.Edit = &edit
		}
		r.Rows = slices.Clip(slices.Clone(r.Rows))
		out[i].Request = &r
	}
	return out
}

func cloneEvents(events []eventlog.Event) []eventlog.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Data, out[i].Meta = bytes.Clone(out[i].Data), bytes.Clone(out[i].Meta)
	}
	return out
}

// describe is an entry as text.
func describe(e *eventlog.Entry) string {
	r := e.Request
	text := fmt.Sprintf("%d at %d, wall %+d:", e.Place, e.At, e.Wall-int64(e.At))
	for i := range r.Events {
		text += " " + describeEvent(&r.Events[i])
	}
	if r.Edit != nil {
		text += fmt.Sprintf(" drop %q rename %q rows %q cut %v freed %d", r.Edit.Drop, r.Edit.Rename, r.Edit.DropRows, r.Edit.Trim, r.Edit.Freed)
		for i := range r.Edit.Remove {
			text += " remove " + describeEvent(&r.Edit.Remove[i])
		}
		for i := range r.Edit.Replace {
			text += " replace " + describeEvent(&r.Edit.Replace[i].Old) + " by " + describeEvent(&r.Edit.Replace[i].New)
		}
	}
	if r.Once != nil {
		text += fmt.Sprintf(" once %d body %d", r.Once.Key[0], r.Once.Body[0])
	}
	if r.Bound != nil {
		text += fmt.Sprintf(" bound %+v", *r.Bound)
	}
	if r.Run {
		text += " run"
	}
	for _, c := range r.If {
		text += fmt.Sprintf(" if %s %v", c.Key, c.There)
	}
	return text + fmt.Sprintf(" expect %v make %q rows %q", r.Expect, r.Make, r.Rows)
}

func describeEvent(e *eventlog.Event) string {
	text := fmt.Sprintf("{%d %q %s:%s stream %q key %q %s", e.ID, e.Space, e.Name, e.Collection, e.Stream, e.Key, e.Data)
	if e.Op != 0 {
		text += fmt.Sprintf(" op %d seq %d", e.Op, e.Seq)
	}
	return text + "}"
}
