package documents

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/store/eventlog"
)

// Bounds of one change: its documents, and their bytes before or after it, whichever is more. All writers wait while it
// is stored. While 1,000 documents of 60 KB were removed, they waited 0.7 s, and publishers 0.3 s.
const (
	MaxChangeDocuments = 1000
	MaxChangeBytes     = 8 << 20
)

var errChangeBytes = &LimitError{"the documents of one request would have more than %d bytes; send them in several", MaxChangeBytes, Fixed}

// New is a document to be made.
type New struct {
	ID     string // "": the store makes one
	Fields Fields
}

// Insert makes documents, all or none, and returns their texts.
func (s *Store) Insert(ctx context.Context, name, by string, docs []New) (_ [][]byte, err error) {
	if len(docs) == 0 || len(docs) > MaxChangeDocuments {
		return nil, countError(len(docs))
	}
	if err := CheckCollection(name); err != nil {
		return nil, err
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
	if id, is := firstDuplicate(ch.ids); is {
		return nil, fmt.Errorf("%w: %q", ErrTaken, id)
	}
	unlock, err := s.lock(ctx, name, ch.ids)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.commit(ctx, time.Now().Add(changeTime), &ch); errors.Is(err, eventlog.ErrRow) {
		return nil, s.takenError(name, ch.ids)
	} else if err != nil {
		return nil, err
	}
	return ch.texts, nil
}

func countError(n int) error {
	if n == 0 {
		return fmt.Errorf("%w: the request has none", ErrShape)
	}
	return &LimitError{"more than %d documents at once; send them in several requests", MaxChangeDocuments, Fixed}
}

// takenError is the error for ids of which one exists already. It names that id if it can.
func (s *Store) takenError(name string, ids []string) error {
	for _, id := range ids {
		if text, err := s.log.Row(documentKey(name, id)); err == nil && text != nil {
			return fmt.Errorf("%w: %q", ErrTaken, id)
		}
	}
	return ErrTaken
}

// firstDuplicate returns an id that occurs twice.
func firstDuplicate(ids []string) (id string, is bool) {
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return id, true
		}
		seen[id] = true
	}
	return "", false
}

// changeTime is how long a change that has its locks may take to find room, and to be tried again while other processes
// change its documents.
const changeTime = 10 * time.Second

// calmTries is the number of tries before a change makes pauses of random length, up to maxPause.
const (
	calmTries = 3
	maxPause  = 20 * time.Millisecond
)

// Update changes documents, all or none, and returns their texts. f gets the own fields of each; it may be called more
// than once. If one does not exist, the error is ErrNotFound; if lenient, Update skips it.
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
		ch.share(ch.request.Events[len(ch.ids)-1].Meta[len(metaStart):])
	})
	return ch.texts, err
}

// change reads documents, calls each on every one of them, and commits the result with the events that addEvents adds.
func (s *Store) change(ctx context.Context, name string, ids []string, lenient bool, each func(ch *change, id string, was []byte) error, addEvents func(ch *change)) (_ change, err error) {
	if len(ids) > MaxChangeDocuments {
		return change{}, countError(len(ids))
	}
	if err := CheckCollection(name); err != nil {
		return change{}, err
	}
	if id, is := firstDuplicate(ids); is {
		return change{}, fmt.Errorf("%w: %q", ErrTwice, id)
	}
	unlock, err := s.lock(ctx, name, ids)
	if err != nil {
		return change{}, err
	}
	defer unlock()
	a := answer{store: s, ctx: ctx}
	defer func() { a.end(err) }()
	until := time.Now().Add(changeTime)
	behind := !s.log.Alone() // perhaps
	for try := 1; ; try++ {
		a.bytes = 0
		ch := change{name: name, answer: &a}
		missing := false
		for _, id := range ids {
			was, err := s.log.Row(documentKey(name, id))
			if err == nil && was == nil {
				if missing = true; behind {
					break
				}
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
		if missing && behind {
			if err := s.log.Barrier(ctx); err != nil {
				return change{}, fmt.Errorf("looking for documents: %w", err)
			}
			behind = false
			continue
		}
		if len(ch.ids) == 0 {
			return ch, nil
		}
		addEvents(&ch)
		if err = s.commit(ctx, until, &ch); !errors.Is(err, eventlog.ErrRow) {
			return ch, err
		}
		if err := s.again(ctx, until, try); err != nil {
			return change{}, err
		}
	}
}

// again waits until a change whose condition failed may be tried again. The row that it needs may be of a commit that is
// under way, so reading it at once could give the same value as before.
func (s *Store) again(ctx context.Context, until time.Time, try int) error {
	if try >= calmTries {
		pause := time.NewTimer(rand.N(maxPause))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	case time.Now().After(until):
		return fmt.Errorf("%w: %w", ErrBusy, eventlog.ErrRow)
	}
	return s.await(ctx)
}

// change is a change under way.
type change struct {
	name         string
	ids          []string
	texts        [][]byte // after the change; nil: removed
	count, bytes int64    // by how much the collection grows
	size         int      // of the documents, before or after, whichever is more
	answer       *answer
	request      eventlog.Request
}

// add adds the change of one document from was to is; nil means no document.
func (ch *change) add(s *Store, id string, was, is []byte) error {
	if nested(is) > maxNested+1 { // the change may have moved a value deeper
		return ErrShape
	}
	if len(is) > s.o.MaxDocument {
		return s.tooLarge()
	}
	if ch.size += max(len(was), len(is)); ch.size > MaxChangeBytes {
		return errChangeBytes
	}
	if err := ch.answer.charge(is); err != nil {
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
	ch.request.If = append(ch.request.If, eventlog.RowIs(key, was))
	ch.request.Rows = append(ch.request.Rows, eventlog.Row{Key: key, Value: is})
	return nil
}

// share lets the rows and texts of an update be parts of all, their JSON array without the first bracket. So a request
// has each text once.
func (ch *change) share(all []byte) {
	for i, text := range ch.texts {
		n := len(text)
		ch.request.Rows[i].Value, ch.texts[i] = all[:n], all[:n:n] // callers may append to a text
		all = all[n+1:]
	}
}

// commit stores a change within the bounds of its collection.
func (s *Store) commit(ctx context.Context, until time.Time, ch *change) error {
	if ch.request.Size() > MaxChangeBytes {
		return errChangeBytes
	}
	grows := totals{max(0, ch.count), max(0, ch.bytes)}
	if err := s.reserve(ctx, until, ch.name, grows); err != nil {
		return err
	}
	_, err := s.log.Append(context.WithoutCancel(ctx), &ch.request) // a client that leaves must not make the outcome unknown
	s.sent(ch.name, grows, err)
	return err
}
