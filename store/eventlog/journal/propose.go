package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sluice/store/eventlog"
)

// A message that is larger than what a server takes at once is stored in parts, by an atomic batch: all parts in adjacent
// places, or none. The place of the message is that of its last part.

const (
	headPart = "Sluice-Part" // "2/5"
	headRoom = 4 << 10       // what the headers of a part may take
	partMost = 1000          // parts of a batch, the bound of JetStream
	codeDup  = 10201         // JetStream: the batch has an id that is stored already
	tryAgain = 100 * time.Millisecond
)

// firstWait is how long a message waits for its answer before it is sent again. Then it waits twice as long. A leader that is
// stopped as planned hands over in a tenth of a second, but forgets the messages that it has just taken. If those are of all
// gateways, nothing is stored until one is sent again. The leader refuses a message that is under way: then it only takes time.
const firstWait = 250 * time.Millisecond

// pubAck is JetStream's answer to a message.
type pubAck struct {
	Place  uint64              `json:"seq"`
	Repeat bool                `json:"duplicate"` // it was stored before
	Error  *jetstream.APIError `json:"error"`
}

// Propose adds a message to the journal. Until ctx ends it tries again if there is no leader.
func (j *Journal) Propose(ctx context.Context, p *eventlog.Proposal) error {
	body, err := encode(&message{Origin: j.origin, Number: p.Number, Sent: j.now().UnixMicro(), Claim: p.Claim, Requests: p.Requests}, int(j.level.Load()))
	if err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrTooLarge, err) // a fault of ours; it must not be tried again
	}
	sealed := j.bus.Seal(subjectIn, body)
	id := strconv.FormatUint(j.origin, 16) + "-" + strconv.FormatUint(p.Number, 10)
	most := int(j.bus.Conn().MaxPayload()) - headRoom
	if len(sealed) > most*partMost {
		return fmt.Errorf("%w: it has %d bytes", eventlog.ErrTooLarge, len(sealed))
	}
	for wait := firstWait; ; {
		if len(sealed) <= most {
			err = j.publish(ctx, wait, id, sealed)
		} else {
			err = j.publishParts(ctx, id, sealed, most)
		}
		if err == nil || !noAnswer(err) {
			return err
		}
		j.metrics.Retries.Add(1)
		if errors.Is(err, context.DeadlineExceeded) {
			wait *= 2
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(tryAgain):
		}
	}
}

func (j *Journal) publish(ctx context.Context, wait time.Duration, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m := &nats.Msg{Subject: j.bus.Subject(subjectIn), Header: nats.Header{nats.MsgIdHdr: {id}}, Data: body}
	applied := j.applied.Load()
	answer, err := j.bus.Conn().RequestMsgWithContext(ctx, m)
	if err != nil {
		return fmt.Errorf("writing to the journal: %w", err)
	}
	return j.acknowledged(answer, applied)
}

// publishParts publishes the parts of a message. JetStream answers the first, which says that it takes the batch, and the
// last.
func (j *Journal) publishParts(ctx context.Context, id string, body []byte, most int) error {
	count := (len(body) + most - 1) / most
	// Each try is a batch of its own: one that was cut off goes on to wait for its end at the server for some seconds.
	batch, applied := nats.NewInbox(), j.applied.Load()
	for n := 1; n <= count; n++ {
		part := body[(n-1)*most : min(n*most, len(body))]
		m := &nats.Msg{Subject: j.bus.Subject(subjectIn), Data: part, Header: nats.Header{
			nats.MsgIdHdr:         {fmt.Sprintf("%s-%d", id, n)},
			"Nats-Batch-Id":       {batch},
			"Nats-Batch-Sequence": {strconv.Itoa(n)},
			headPart:              {fmt.Sprintf("%d/%d", n, count)},
		}}
		if n > 1 && n < count {
			if err := j.bus.Conn().PublishMsg(m); err != nil {
				return fmt.Errorf("writing to the journal: %w", err)
			}
			continue
		}
		if n == count {
			m.Header.Set("Nats-Batch-Commit", "1")
		}
		answer, err := j.bus.Conn().RequestMsgWithContext(ctx, m)
		if err != nil {
			return fmt.Errorf("writing to the journal: %w", err)
		}
		if len(answer.Data) == 0 && n < count {
			continue // the batch has begun
		}
		if err := j.acknowledged(answer, applied); err != nil {
			return err
		}
	}
	return nil
}

// acknowledged reads JetStream's answer to a message that was sent when some place was applied. A repeat is no error: the
// message is there. If a new message got an earlier place than that, the journal has lost what was there.
func (j *Journal) acknowledged(m *nats.Msg, applied uint64) error {
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return fmt.Errorf("reading the journal's answer: %w", err)
	}
	if ack.Error != nil && ack.Error.ErrorCode != codeDup {
		return fmt.Errorf("writing to the journal: %w", error(ack.Error))
	}
	if ack.Error == nil && !ack.Repeat && ack.Place <= applied {
		err := lostEnd(ack.Place-1, applied)
		j.fail(err)
		return err
	}
	return nil
}

// errPart is the reason to leave out what is no whole message.
var errPart = errors.New("parts of a message are missing")

// assembly puts the parts of a message together.
type assembly struct {
	next, count int
	body        []byte
}

// add takes the next message of the stream. It returns a whole message, or nil if parts are still to come. Parts have
// adjacent places, so anything else in between means that the rest will not come.
func (a *assembly) add(s stored) (body []byte, err error) {
	part := s.head.Get(headPart)
	if part == "" {
		*a = assembly{}
		return s.data, nil
	}
	var n, count int
	if _, scanErr := fmt.Sscanf(part, "%d/%d", &n, &count); scanErr != nil || n < 1 || n > count || count > partMost {
		*a = assembly{}
		return nil, errPart
	}
	if n == 1 {
		*a = assembly{next: 1, count: count}
	}
	if n != a.next || count != a.count {
		*a = assembly{}
		return nil, errPart
	}
	a.body = append(a.body, s.data...)
	a.next++
	if n < count {
		return nil, nil
	}
	body = a.body
	*a = assembly{}
	return body, nil
}
