package documents

import (
	"context"
	"errors"
	"fmt"

	"sluice/store/eventlog"
)

// Bounds of one change, of the documents as they were or as they become: all who write wait while it is stored. Taking
// away 1,000 documents of 60 KB, they waited 0.7 s, and publishers 0.3.
const (
	ChangeMost  = 1000
	ChangeBytes = 8 << 20
)

// New is a document to be made.
type New struct {
	ID     string // "": one is given
	Fields Fields
}

// Insert makes documents, all or none, and gives their texts.
func (s *Store) Insert(ctx context.Context, name, by string, docs []New) (_ [][]byte, err error) {
	if len(docs) == 0 || len(docs) > ChangeMost {
		return nil, countError(len(docs))
	}
	now := s.o.Now()
	a := answer{store: s, ctx: ctx}
	defer func() { a.end(err) }()
	ch := change{name: name, answer: &a}
	for i := range docs {
		id := docs[i].ID
		if id == "" {
			id = s.ids.next(now)
		} else if err := CheckID(id); err != nil {
			return nil, err
		}
		m := meta{id: id, created: now, changed: now, createdBy: by, changer: by, version: 1}
		text := m.text(&docs[i].Fields)
		if err := ch.add(s, id, nil, text); err != nil {
			return nil, err
		}
		ch.request.Events = append(ch.request.Events, eventlog.Event{Name: "post", Collection: name, Data: text, Meta: []byte{metaAll}})
	}
	if id, is := twice(ch.ids); is {
		return nil, fmt.Errorf("%w: %q", ErrTaken, id)
	}
	unlock, err := s.lock(ctx, name, ch.ids)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.commit(ctx, &ch); errors.Is(err, eventlog.ErrRow) {
		return nil, s.taken(name, ch.ids)
	} else if err != nil {
		return nil, err
	}
	return ch.texts, nil
}

func countError(n int) error {
	if n == 0 {
		return fmt.Errorf("%w: there is none", ErrShape)
	}
	return &LimitError{"more than %d documents at once; send them in several requests", ChangeMost, Fixed}
}

// taken says which of some ids there is a document with.
func (s *Store) taken(name string, ids []string) error {
	for _, id := range ids {
		if text, err := s.log.Row(documentKey(name, id)); err == nil && text != nil {
			return fmt.Errorf("%w: %q", ErrTaken, id)
		}
	}
	return ErrTaken
}

// twice is an id that is there a second time.
func twice(ids []string) (id string, is bool) {
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return id, true
		}
		seen[id] = true
	}
	return "", false
}

// guardTries is how often a change is made again when its condition failed, which only a writer can cause whose
// outcome was unknown and came after all.
const guardTries = 3

// Update changes documents, all or none, and gives their texts. f is given each one's own fields; it may be called
// again. One that is not there is ErrNotFound, or, where lenient, left out.
func (s *Store) Update(ctx context.Context, name, by string, ids []string, lenient bool, f func(id string, own *Fields) error) ([][]byte, error) {
	ch, err := s.change(ctx, name, ids, lenient, func(ch *change, id string, was []byte) error {
		m, own := read(was)
		if err := f(id, &own); err != nil {
			return err
		}
		m.changed, m.changer, m.version = s.o.Now(), by, m.version+1
		return ch.add(s, id, was, m.text(&own))
	}, func(ch *change) {
		ch.request.Events = updated(name, ch.ids, ch.texts)
	})
	return ch.texts, err
}

// change reads documents, lets each see what becomes of it, and commits that with the events that tell makes of it.
func (s *Store) change(ctx context.Context, name string, ids []string, lenient bool, each func(ch *change, id string, was []byte) error, tell func(ch *change)) (_ change, err error) {
	if len(ids) > ChangeMost {
		return change{}, countError(len(ids))
	}
	if err := CheckCollection(name); err != nil {
		return change{}, err
	}
	if id, is := twice(ids); is {
		return change{}, fmt.Errorf("%w: %q", ErrTwice, id)
	}
	unlock, err := s.lock(ctx, name, ids)
	if err != nil {
		return change{}, err
	}
	defer unlock()
	a := answer{store: s, ctx: ctx}
	defer func() { a.end(err) }()
	for range guardTries {
		a.bytes = 0
		ch := change{name: name, answer: &a}
		for _, id := range ids {
			was, err := s.log.Row(documentKey(name, id))
			if err == nil && was == nil {
				if lenient {
					continue
				}
				err = fmt.Errorf("%w: %q", ErrNotFound, id)
			}
			if err == nil {
				err = each(&ch, id, was)
			}
			if err != nil {
				return change{}, err
			}
		}
		if len(ch.ids) == 0 {
			return ch, nil
		}
		tell(&ch)
		if err = s.commit(ctx, &ch); !errors.Is(err, eventlog.ErrRow) {
			return ch, err
		}
	}
	return change{}, fmt.Errorf("%w: %w", ErrBusy, err)
}

// change is one under way.
type change struct {
	name         string
	ids          []string
	texts        [][]byte // as they become; nil: gone
	count, bytes int64    // by how much the collection grows
	size         int      // of the documents, as they were or become
	answer       *answer
	request      eventlog.Request
}

// add notes what becomes of one document; nil stands for none.
func (ch *change) add(s *Store, id string, was, is []byte) error {
	if nested(is) > maxNested+1 { // a change may have moved a value deeper
		return ErrShape
	}
	if len(is) > s.o.MaxDocument {
		return s.tooLarge()
	}
	if ch.size += max(len(was), len(is)); ch.size > ChangeBytes {
		return &LimitError{"the documents of one request would have more than %d bytes; send them in several", ChangeBytes, Fixed}
	}
	if err := ch.answer.hold(is); err != nil {
		return err
	}
	key := documentKey(ch.name, id)
	ch.ids, ch.texts = append(ch.ids, id), append(ch.texts, is)
	ch.bytes += int64(len(is) - len(was))
	switch {
	case was == nil:
		ch.count++
	case is == nil:
		ch.count--
	}
	ch.request.If = append(ch.request.If, eventlog.Row{Key: key, Value: was})
	ch.request.Rows = s.indexRows(append(ch.request.Rows, eventlog.Row{Key: key, Value: is}), ch.name, id, was, is)
	return nil
}

// commit stores a change, counted before and, where it is refused, taken back. Where its outcome is unknown the
// collection is counted again.
func (s *Store) commit(ctx context.Context, ch *change) error {
	c, err := s.use(ctx, ch.name)
	if err != nil {
		return err
	}
	if err := s.reserve(c, ch.count, ch.bytes); err != nil {
		c.using.RUnlock()
		return err
	}
	_, err = s.log.Append(context.WithoutCancel(ctx), &ch.request) // who goes away shall not leave it unknown
	if err == nil {
		c.using.RUnlock()
		return nil
	}
	c.mu.Lock()
	c.count -= ch.count
	c.bytes -= ch.bytes
	c.mu.Unlock()
	unknown := errors.Is(err, eventlog.ErrUnknown)
	if unknown {
		c.late.Store(true) // at once, so that it is not dropped
	}
	c.using.RUnlock()
	if unknown {
		c.using.Lock()
		c.loaded = false
		c.using.Unlock()
	}
	return err
}
