package journal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// A snapshot is a copy of a log's folder, for nodes that the journal alone cannot bring up to date. It is a tar, cut into
// parts that are objects of an object store. The last object is its label, which says what the parts are. A snapshot without
// its label is not there. Parts are small enough to be in memory: each is tried again by itself, and the servers never have
// more than one to take.

// Meta is what a snapshot has.
type Meta struct {
	Place   uint64 `json:"place"` // of the last message that was applied
	At      uint64 `json:"at"`    // the log's time then
	Last    uint64 `json:"last"`  // the last id
	Level   int    `json:"level"` // of the format of the folder
	Version string `json:"version"`
}

// Snapshot is a snapshot that is there.
type Snapshot struct {
	Meta
	Birth string    `json:"birth"` // of the journal
	Size  int64     `json:"size"`  // of the tar
	Made  time.Time `json:"made"`

	Parts int    `json:"parts"`
	ID    string `json:"id"`  // part of the names of its parts: two nodes may make the snapshot of one place
	Sum   []byte `json:"sum"` // SHA-256 of the tar
}

// Errors of snapshots.
var (
	ErrNoSnapshot = errors.New("there is no snapshot")
	ErrDamaged    = errors.New("the snapshot is damaged")
)

const (
	labelName   = "%020d"      // by place
	partName    = "%s.part.%d" // by the snapshot's ID
	partBytes   = 4 << 20
	chunkBytes  = 512 << 10        // of a NATS message; the default limit of a server is 1 MiB
	tryPart     = 10 * time.Second // the longest time of one try with a part; a server that dies answers nothing
	tryCall     = 5 * time.Second  // the same of a try without one. A list that was begun before an election never ends
	orphanAge   = time.Hour        // parts without a label that are older are of no snapshot under way
	sealPurpose = "snapshot"
	sealed      = "sealed" // the key of the label's metadata
)

// patience is how long all of it is tried again. A new object may not have come to all servers yet, and a new leader takes the
// servers up to nine seconds.
const patience = 30 * time.Second

// againAfter is the time between two tries.
const againAfter = 200 * time.Millisecond

func bucketName(b *bus.Bus) string { return "SLUICE_" + b.Cluster() + "_SNAPSHOTS" }

func (s *Snapshot) label() string { return fmt.Sprintf(labelName, s.Place) }

func (s *Snapshot) part(n int) string { return fmt.Sprintf(partName, s.ID, n) }

// openBucket opens the object store. The error is ErrNoSnapshot if there is none.
func openBucket(ctx context.Context, b *bus.Bus) (jetstream.ObjectStore, error) {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	store, err := js.ObjectStore(ctx, bucketName(b))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, ErrNoSnapshot
	}
	if err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	return store, nil
}

// makeBucket opens the object store, or makes it with as many replicas as the journal has.
func makeBucket(ctx context.Context, b *bus.Bus) (jetstream.ObjectStore, error) {
	store, err := openBucket(ctx, b)
	if !errors.Is(err, ErrNoSnapshot) {
		return store, err
	}
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return nil, fmt.Errorf("making the object store of snapshots: %w", err)
	}
	state, err := Look(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("making the object store of snapshots: %w", err)
	}
	store, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: bucketName(b), Description: "snapshots of Sluice's log", Replicas: state.Wanted,
	})
	if err != nil {
		return nil, fmt.Errorf("making the object store of snapshots: %w", createError(err))
	}
	return store, nil
}

// List returns the snapshots of the journal that there is now, newest first. Those of an earlier journal, and those that were
// not sealed with the cluster's secret, are not listed.
func List(ctx context.Context, b *bus.Bus) ([]Snapshot, error) {
	c, err := readContents(ctx, b)
	return c.snapshots, err
}

// contents is what is in the object store.
type contents struct {
	store     jetstream.ObjectStore // nil: there is none
	objects   []*jetstream.ObjectInfo
	snapshots []Snapshot // of the journal that there is now, newest first
}

// readContents reads until it has seen all of the object store, or has failed for too long.
func readContents(ctx context.Context, b *bus.Bus) (c contents, err error) {
	err = persist(ctx, tryCall, func(ctx context.Context) (err error) {
		c, err = readContentsOnce(ctx, b)
		return err
	})
	return c, err
}

func readContentsOnce(ctx context.Context, b *bus.Bus) (c contents, err error) {
	state, err := Look(ctx, b)
	if err != nil {
		return c, err
	}
	store, err := openBucket(ctx, b)
	if errors.Is(err, ErrNoSnapshot) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	objects, err := objectsOf(ctx, store)
	if err != nil {
		return c, err
	}
	return contents{store, objects, listed(b, state.Birth, objects)}, nil
}

func objectsOf(ctx context.Context, store jetstream.ObjectStore) ([]*jetstream.ObjectInfo, error) {
	objects, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, fmt.Errorf("listing the snapshots: %w", err)
	}
	return objects, nil
}

func listed(b *bus.Bus, birth string, objects []*jetstream.ObjectInfo) (found []Snapshot) {
	for _, o := range objects {
		if s, err := readLabel(b, o); err == nil && s.Birth == birth && s.label() == o.Name {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(x, y Snapshot) int { return cmp.Compare(y.Place, x.Place) })
	return found
}

// readLabel reads what a label says. Other objects have nothing sealed.
func readLabel(b *bus.Bus, o *jetstream.ObjectInfo) (s Snapshot, err error) {
	text, err := base64.StdEncoding.DecodeString(o.Metadata[sealed])
	if err != nil {
		return s, fmt.Errorf("reading a label: %w", err)
	}
	body, err := b.Unseal(sealPurpose, text)
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// putLabel makes a snapshot complete.
func putLabel(ctx context.Context, b *bus.Bus, store jetstream.ObjectStore, s *Snapshot) error {
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing a label: %w", err)
	}
	meta := jetstream.ObjectMeta{Name: s.label(), Metadata: map[string]string{sealed: base64.StdEncoding.EncodeToString(b.Seal(sealPurpose, body))}}
	return persist(ctx, tryCall, func(ctx context.Context) error {
		_, err := store.Put(ctx, meta, nil)
		return err
	})
}

// Prune removes all but the newest snapshots of the journal, and parts that are of none. It returns the snapshots that stay.
func Prune(ctx context.Context, b *bus.Bus, keep int) ([]Snapshot, error) {
	c, err := readContents(ctx, b)
	if err != nil {
		return nil, err
	}
	kept := c.snapshots[:min(keep, len(c.snapshots))]
	for _, o := range c.objects {
		if !useless(b, o, kept) {
			continue
		}
		err := persist(ctx, tryCall, func(ctx context.Context) error {
			err := c.store.Delete(ctx, o.Name)
			if errors.Is(err, jetstream.ErrObjectNotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return kept, fmt.Errorf("removing the object %s of an old snapshot: %w", o.Name, err)
		}
	}
	return kept, nil
}

// useless reports whether an object belongs to none of the snapshots that are kept, nor to one under way.
func useless(b *bus.Bus, o *jetstream.ObjectInfo, kept []Snapshot) bool {
	if slices.ContainsFunc(kept, func(s Snapshot) bool { return o.Name == s.label() || strings.HasPrefix(o.Name, s.ID+".") }) {
		return false
	}
	_, err := readLabel(b, o)
	return err == nil || time.Since(o.ModTime) > orphanAge
}

// Purge removes the messages of the journal before a place. The message at the place stays: a node that has applied it
// recognizes the journal by it.
func Purge(ctx context.Context, b *bus.Bus, place uint64) error {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return fmt.Errorf("purging the journal: %w", err)
	}
	err = persist(ctx, tryCall, func(ctx context.Context) error {
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

// persist calls f until it succeeds, or has failed for too long, or fails for a reason that stays. One call of f takes try at
// most.
func persist(ctx context.Context, try time.Duration, f func(context.Context) error) error {
	for begun := time.Now(); ; {
		once, cancel := context.WithTimeout(ctx, try)
		err := f(once)
		cancel()
		if err == nil || ctx.Err() != nil || stays(err) || time.Since(begun) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(againAfter):
		}
	}
}

// stays reports whether an error is no trouble of the servers, which goes away.
func stays(err error) bool {
	return errors.Is(err, ErrNone) || errors.Is(err, ErrSecret) || errors.Is(err, ErrNoSnapshot)
}

func newSnapshotID() string { return rand.Text()[:16] }
