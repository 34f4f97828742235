package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// Subjects of the snapshots' stream, without the cluster's beginning: snapshots.ID.label, snapshots.ID.0 and so on, and one
// that is no snapshot's. Each has one message, the newest.
const (
	subjectSnapshots = "snapshots"
	subjectLooked    = "snapshots.looked"
	labelName        = "label"
	idLength         = 16
)

func labelOf(id string) string { return subjectSnapshots + "." + id + "." + labelName }

func partOf(id string, n int) string { return subjectSnapshots + "." + id + "." + strconv.Itoa(n) }

// storage is the stream that has the snapshots of a cluster. Its messages are read from the stream's leader, never directly
// from a replica, which may not have them yet.
type storage struct {
	bus    *bus.Bus
	js     jetstream.JetStream
	stream jetstream.Stream
}

func storageName(b *bus.Bus) string { return stream(b) + "_SNAPSHOTS" }

// openStorage opens the stream. The error is ErrNoSnapshot if there is none.
func openStorage(ctx context.Context, b *bus.Bus) (*storage, error) {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	s, err := js.Stream(ctx, storageName(b))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, ErrNoSnapshot
	}
	if err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	return &storage{b, js, s}, nil
}

// makeStorage opens the stream, or makes it with as many replicas as the journal has.
func makeStorage(ctx context.Context, b *bus.Bus, replicas int) (*storage, error) {
	st, err := openStorage(ctx, b)
	if !errors.Is(err, ErrNoSnapshot) {
		return st, err
	}
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return nil, fmt.Errorf("making the stream of snapshots: %w", err)
	}
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: storageName(b), Description: "snapshots of Sluice's log", Subjects: []string{b.Subject(subjectSnapshots, ">")},
		Replicas: replicas, Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1, DenyDelete: true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the stream of snapshots: %w", createError(err))
	}
	return &storage{b, js, s}, nil
}

// put stores a message, in place of an earlier one of its subject. So it can be tried again. It returns the message's place in
// the stream; a majority of the servers has it then.
func (st *storage) put(ctx context.Context, subject string, body []byte, o ...jetstream.PublishOpt) (uint64, error) {
	ack, err := st.js.Publish(ctx, st.bus.Subject(subject), body, append(o, jetstream.WithExpectStream(storageName(st.bus)))...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// get returns the message of a subject.
func (st *storage) get(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return st.stream.GetLastMsgForSubject(ctx, st.bus.Subject(subject))
}

// errOld is the reason to ask again.
var errOld = errors.New("a server answers that does not have all of the snapshots")

// list returns the subjects that match a filter, with all that was acknowledged before. The stream's leader answers; but so does
// one that was cut off, until it learns that there is another, and each replica while there is none. What they have may be
// old. So a message is stored first: an answer of who has it has all that was stored before.
func (st *storage) list(ctx context.Context, filter string) ([]string, error) {
	looked, err := st.put(ctx, subjectLooked, nil)
	if err != nil {
		return nil, err
	}
	info, err := st.stream.Info(ctx, jetstream.WithSubjectFilter(st.bus.Subject(filter)))
	if err != nil {
		return nil, err
	}
	if info.State.LastSeq < looked {
		return nil, errOld
	}
	return slices.Collect(maps.Keys(info.State.Subjects)), nil
}

// parse returns the ID in the subject of a label or part, and what follows it.
func (st *storage) parse(subject string) (id, name string, ok bool) {
	rest, ok := strings.CutPrefix(subject, st.bus.Subject(subjectSnapshots)+".")
	if !ok {
		return "", "", false
	}
	id, name, ok = strings.Cut(rest, ".")
	return id, name, ok && len(id) == idLength // so it is no wildcard, which somebody else may have stored
}

// noPart is the number of the last part of what has a label only.
const noPart = -1

// lastParts returns the number of the last part of each snapshot that has any message, by ID.
func (st *storage) lastParts(ctx context.Context) (last map[string]int, err error) {
	var subjects []string
	err = persist(ctx, func(ctx context.Context) (err error) {
		subjects, err = st.list(ctx, subjectSnapshots+".*.*")
		return err
	})
	last = map[string]int{}
	for _, subject := range subjects {
		id, name, ok := st.parse(subject)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(name)
		if err != nil {
			n = noPart
		}
		if before, there := last[id]; !there || n > before {
			last[id] = n
		}
	}
	return last, err
}

// underWay reports whether a snapshot without a label may get one, because it got its last part since some time.
func (st *storage) underWay(ctx context.Context, id string, last int, since time.Time) (bool, error) {
	subject := labelOf(id) // that nobody here has sealed
	if last != noPart {
		subject = partOf(id, last)
	}
	m, err := st.get(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil // something happens to it; the next Prune looks again
	}
	if err != nil {
		return false, err
	}
	return m.Time.After(since), nil
}

// remove removes all messages of a snapshot. The label goes first: with it, a snapshot has all its parts.
func (st *storage) remove(ctx context.Context, id string) error {
	if err := st.stream.Purge(ctx, jetstream.WithPurgeSubject(st.bus.Subject(labelOf(id)))); err != nil {
		return err
	}
	return st.stream.Purge(ctx, jetstream.WithPurgeSubject(st.bus.Subject(subjectSnapshots, id, ">")))
}
