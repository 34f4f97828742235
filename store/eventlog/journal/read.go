package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/cluster/bus"
)

// stored is one message of the stream.
type stored struct {
	place uint64
	stamp time.Time
	head  nats.Header
	data  []byte
}

// Headers that JetStream adds to what it sends on and to what is read directly.
const (
	headPlace  = "Nats-Sequence"
	headStamp  = "Nats-Time-Stamp"
	headStatus = "Status"
)

var errHeaders = errors.New("a message of the journal has no place and time")

func storedOf(m *nats.Msg) (s stored, err error) {
	s.head, s.data = m.Header, m.Data
	if s.place, err = strconv.ParseUint(m.Header.Get(headPlace), 10, 64); err != nil {
		return s, errHeaders
	}
	if s.stamp, err = time.Parse(time.RFC3339Nano, m.Header.Get(headStamp)); err != nil {
		return s, errHeaders
	}
	return s, nil
}

// Bounds of one direct read.
const (
	readMessages = 256
	readBytes    = 4 << 20
	readTime     = time.Second // a replica that was stopped never answers; another may
)

// directGet asks any replica for the messages from a place on.
type directGet struct {
	Place uint64 `json:"seq"`
	Batch int    `json:"batch,omitempty"`
	Bytes int    `json:"max_bytes,omitempty"`
}

// read calls f with the messages from a place on, as many as one direct read gives. The replica may be behind others.
func read(ctx context.Context, b *bus.Bus, from uint64, f func(stored) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	nc := b.Conn()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }() // nobody else reads them
	request, err := json.Marshal(directGet{from, readMessages, readBytes})
	if err != nil {
		return err
	}
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream(b), inbox, request); err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		switch status := m.Header.Get(headStatus); status {
		case "":
		case "204", "404": // the end of the answer; there is nothing
			return nil
		default:
			return fmt.Errorf("reading the journal: JetStream answers %s %s", status, m.Header.Get("Description"))
		}
		s, err := storedOf(m)
		if err == nil {
			err = f(s)
		}
		if err != nil {
			return err
		}
	}
}

// errDone ends a read early.
var errDone = errors.New("done")

// readOne returns the message at a place. It tries again while a replica does not have it.
func readOne(ctx context.Context, b *bus.Bus, place uint64) (found stored, err error) {
	for {
		err = read(ctx, b, place, func(s stored) error {
			found = s
			return errDone
		})
		if errors.Is(err, errDone) {
			if found.place != place {
				return stored{}, fmt.Errorf("the journal has no message at place %d any more", place)
			}
			return found, nil
		}
		select {
		case <-ctx.Done():
			return stored{}, errors.Join(err, ctx.Err())
		case <-time.After(readAgain):
		}
	}
}

// readAgain is the time between two tries of a read that found nothing.
const readAgain = 100 * time.Millisecond
