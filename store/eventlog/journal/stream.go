package journal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// Subjects of the journal. A message is published on the first; JetStream stores it, and sends it on to the second with its
// place.
const (
	subjectIn  = "journal.in"
	subjectOut = "journal.out"
)

// Keys of the stream's metadata.
const (
	metaBirth = "sluice-birth" // identifies the cluster, also if another has the same name later
	metaSeal  = "sluice-seal"  // of the birth
)

// duplicates is how long JetStream recognizes a repeat. A log repeats a message for less.
const duplicates = 2 * time.Minute

// Errors of a journal that a gateway cannot use.
var (
	ErrExists   = errors.New("the journal of this cluster exists already")
	ErrNone     = errors.New("the cluster has no journal: run `sluice cluster init` once, at one of the gateways, or set CLUSTER_NAME to the name that it was made with")
	ErrSecret   = errors.New("the journal was made with another CLUSTER_SECRET; all gateways of a cluster have the same")
	ErrOther    = errors.New("this folder belongs to another cluster of the same name, or the journal was made anew")
	ErrShorter  = errors.New("the journal has lost its end: it was put back to an older copy")
	ErrNoLeader = errors.New("no server leads the journal now")
)

// Errors of Create about the servers.
var (
	ErrOneServer = errors.New("the NATS server is alone: it can have one replica only")
	ErrServers   = errors.New("too few NATS servers with JetStream, or too little room there: start all of them first, or raise max_file_store in their configuration")
)

// stream is the name of the JetStream stream of a cluster.
func stream(b *bus.Bus) string { return "SLUICE_" + b.Cluster() }

// CreateOptions are parameters of a new journal.
type CreateOptions struct {
	Birth    string // of NewBirth, if the caller has stored it; "": a new one
	Replicas int    // 1, 3 or 5
	Bytes    int64  // that it keeps at most, on each server
}

// NewBirth returns what identifies a new cluster.
func NewBirth() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// Create makes the journal of a new cluster. Its first message is no request; it only takes place 1. Create returns what
// identifies the cluster, and the time of the first message, in microseconds. Called again with the same birth, it ends what
// was interrupted.
func Create(ctx context.Context, b *bus.Bus, o CreateOptions) (birth string, at uint64, err error) {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return "", 0, fmt.Errorf("making the journal: %w", err)
	}
	birth = cmp.Or(o.Birth, NewBirth())
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: stream(b), Subjects: []string{b.Subject(subjectIn)}, Replicas: o.Replicas, MaxBytes: o.Bytes, Storage: jetstream.FileStorage,
		Duplicates: duplicates, AllowDirect: true, DenyDelete: true, AllowAtomicPublish: true,
		RePublish: &jetstream.RePublish{Source: b.Subject(subjectIn), Destination: b.Subject(subjectOut)},
		Metadata:  map[string]string{metaBirth: birth, metaSeal: hex.EncodeToString(b.Seal(metaBirth, []byte(birth)))},
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		if state, lerr := Look(ctx, b); lerr != nil || state.Birth != birth {
			return "", 0, ErrExists
		}
		err = nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("making the journal: %w", createError(err))
	}
	if err := putFirst(ctx, b, js, birth); err != nil {
		return "", 0, err
	}
	m, err := readOne(ctx, b, 1)
	if err != nil {
		return "", 0, fmt.Errorf("reading the journal's first message: %w", err)
	}
	return birth, uint64(m.stamp.UnixMicro()), nil
}

// Error codes of JetStream that nats.go has no names for.
const (
	codeNotClustered = 10074
	codeNoPeers      = 10005
	codeNoStorage    = 10047
)

// createError tells what is wrong with the servers.
func createError(err error) error {
	var answer *jetstream.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode {
		case codeNotClustered:
			return ErrOneServer
		case codeNoPeers, codeNoStorage:
			return ErrServers
		}
	}
	return err
}

// putFirst writes the first message, if it is not there.
func putFirst(ctx context.Context, b *bus.Bus, js jetstream.JetStream, birth string) error {
	if state, err := Look(ctx, b); err != nil || state.Last > 0 {
		return err
	}
	ack, err := js.Publish(ctx, b.Subject(subjectIn), nil, jetstream.WithMsgID(birth))
	if err != nil {
		return fmt.Errorf("writing the journal's first message: %w", err)
	}
	if ack.Sequence != 1 {
		return fmt.Errorf("writing the journal's first message: it has place %d: somebody else writes to it", ack.Sequence)
	}
	return nil
}

// State is what the leader says of the journal.
type State struct {
	Birth       string // what identifies the cluster
	First, Last uint64 // places; First is Last+1 if the journal is empty
	Bytes       uint64
	Most        int64 // bytes that it keeps; the oldest messages go first
	Leader      string
	Replicas    []Replica // besides the leader
	Wanted      int       // replicas, the leader included
	Led         bool      // the leader has heard from a majority lately; one that is cut off goes on to answer for a minute
}

// Replica is a server that has the journal.
type Replica struct {
	Name    string
	Current bool   // it has all that the leader knows to be stored, and has answered lately
	Lag     uint64 // messages
}

// info is the answer of JetStream about a stream.
type info struct {
	Config jetstream.StreamConfig `json:"config"`
	State  struct {
		First uint64 `json:"first_seq"`
		Last  uint64 `json:"last_seq"`
		Bytes uint64 `json:"bytes"`
	} `json:"state"`
	Cluster *jetstream.ClusterInfo `json:"cluster"`
	Error   *jetstream.APIError    `json:"error"`
}

// Look asks the journal's leader for its state. ErrNone is the error if there is no journal. Without a leader nobody answers.
func Look(ctx context.Context, b *bus.Bus) (State, error) {
	m, err := b.Conn().RequestWithContext(ctx, "$JS.API.STREAM.INFO."+stream(b), nil)
	if err != nil {
		return State{}, fmt.Errorf("asking the journal's leader: %w", err)
	}
	var i info
	if err := json.Unmarshal(m.Data, &i); err != nil {
		return State{}, fmt.Errorf("reading the journal's state: %w", err)
	}
	switch {
	case i.Error != nil && i.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return State{}, ErrNone
	case i.Error != nil:
		return State{}, fmt.Errorf("asking the journal's leader: %w", i.Error)
	}
	s := State{Birth: i.Config.Metadata[metaBirth], First: i.State.First, Last: i.State.Last, Bytes: i.State.Bytes, Most: i.Config.MaxBytes, Wanted: i.Config.Replicas}
	if i.Cluster != nil {
		s.Leader, s.Replicas = i.Cluster.Leader, replicasOf(i.Cluster)
	}
	s.Led = led(i.Cluster, s.Wanted)
	seal, err := hex.DecodeString(i.Config.Metadata[metaSeal])
	if err == nil {
		_, err = b.Unseal(metaBirth, seal)
	}
	if err != nil {
		return s, ErrSecret
	}
	return s, nil
}

// heardWithin is how long ago a leader has heard from a replica that is there: replicas answer each second. A gateway that is cut
// off together with the leader finds out by this, by two looks, and by its own next look: in less than five seconds in all.
const heardWithin = 2500 * time.Millisecond

// led reports whether an answer about a stream is of its leader, and most replicas follow it. Others answer too, with an end
// that may be old: each replica while there is no leader, and for up to 20 seconds a leader that is cut off.
func led(c *jetstream.ClusterInfo, replicas int) bool {
	if c == nil || replicas <= 1 {
		return true
	}
	follow := 1 // the leader itself
	for _, r := range c.Replicas {
		if heard(r) {
			follow++
		}
	}
	return c.Leader != "" && follow > replicas/2
}

// replicasOf are the replicas besides the leader, as it knows them. It calls a replica that is dead current for ten seconds.
func replicasOf(c *jetstream.ClusterInfo) (list []Replica) {
	for _, r := range c.Replicas {
		list = append(list, Replica{r.Name, r.Current && heard(r), r.Lag})
	}
	return list
}

// heard reports whether a replica has answered lately.
func heard(r *jetstream.PeerInfo) bool {
	return !r.Offline && r.Active > 0 && r.Active < heardWithin // 0: it was never heard from
}

// lookTime bounds one question to the leader. Who asks while there is none gets no answer, also when there is one again.
const lookTime = 500 * time.Millisecond

// LookUntil is Look, again and again until a leader answers that knows the journal's end, or ctx ends.
func LookUntil(ctx context.Context, b *bus.Bus) (State, error) {
	for {
		once, cancel := context.WithTimeout(ctx, lookTime)
		s, err := Look(once, b)
		cancel()
		if err == nil && !s.Led {
			err = ErrNoLeader
		}
		if err == nil || !noAnswer(err) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, err
		case <-time.After(tryAgain):
		}
	}
}

// noAnswer reports whether an error of NATS means that nobody is there to answer now.
func noAnswer(err error) bool {
	return errors.Is(err, ErrNoLeader) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrDisconnected)
}

// Purge removes the messages of the journal before a place. The message at the place stays: a node that has applied it
// recognizes the journal by it.
func Purge(ctx context.Context, b *bus.Bus, place uint64) error {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return fmt.Errorf("purging the journal: %w", err)
	}
	err = persist(ctx, func(ctx context.Context) error {
		s, err := js.Stream(ctx, stream(b))
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSequence(place))
	})
	if err != nil {
		return fmt.Errorf("purging the journal up to %d: %w", place, err)
	}
	return nil
}
