package journal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/cluster/bus"
)

// A snapshot is a copy of a log's folder, for nodes that the journal alone cannot bring up to date. It is a tar, cut into
// parts that are messages of a stream (snapshot_storage.go). Its last message is its label, which says what the parts are. A
// snapshot without its label is not there. Each part is tried again by itself.

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
	ID    string `json:"id"`  // part of the subjects of its messages: two nodes may make the snapshot of one place
	Sum   []byte `json:"sum"` // SHA-256 of the tar
}

// Errors of snapshots.
var (
	ErrNoSnapshot = errors.New("there is no snapshot")
	ErrDamaged    = errors.New("the snapshot is damaged")
)

const (
	partBytes   = 512 << 10 // the default limit of a server for one message is 1 MiB
	orphanAge   = time.Hour // a snapshot without a label that got no part for so long is not under way
	sealPurpose = "snapshot"
)

func newSnapshotID() string { return rand.Text()[:idLength] }

// List returns the snapshots of the journal that there is now, newest first. Those of an earlier journal, and those that were
// not sealed with the cluster's secret, are not listed.
func List(ctx context.Context, b *bus.Bus) ([]Snapshot, error) {
	c, err := readContents(ctx, b)
	return c.snapshots, err
}

// contents is what the labels say.
type contents struct {
	storage   *storage            // nil: there is none
	labels    map[string]Snapshot // by ID, also of earlier journals
	snapshots []Snapshot          // of the journal that there is now, newest first
}

// readContents reads all labels, and has each one that was acknowledged before.
func readContents(ctx context.Context, b *bus.Bus) (c contents, err error) {
	err = persist(ctx, func(ctx context.Context) (err error) {
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
	c.storage, err = openStorage(ctx, b)
	if errors.Is(err, ErrNoSnapshot) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if c.labels, err = readLabels(ctx, c.storage); err != nil {
		return c, fmt.Errorf("listing the snapshots: %w", err)
	}
	c.snapshots = listed(c.labels, state.Birth)
	return c, nil
}

func readLabels(ctx context.Context, st *storage) (map[string]Snapshot, error) {
	subjects, err := st.list(ctx, labelOf("*"))
	if err != nil {
		return nil, err
	}
	labels := map[string]Snapshot{}
	for _, subject := range subjects {
		id, _, ok := st.parse(subject)
		if !ok {
			continue
		}
		// Without an answer, or if another node removes it just now, all is read again.
		text, err := st.get(ctx, labelOf(id))
		if err != nil {
			return nil, err
		}
		if s, err := readLabel(st.bus, text.Data); err == nil && s.ID == id {
			labels[id] = s
		}
	}
	return labels, nil
}

// listed sorts the snapshots of one journal. Of those with one place, it takes the one that was made last.
func listed(labels map[string]Snapshot, birth string) (found []Snapshot) {
	for _, s := range labels {
		if s.Birth == birth {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(x, y Snapshot) int {
		return cmp.Or(cmp.Compare(y.Place, x.Place), y.Made.Compare(x.Made), cmp.Compare(y.ID, x.ID))
	})
	return slices.CompactFunc(found, func(x, y Snapshot) bool { return x.Place == y.Place })
}

// readLabel reads what a label says.
func readLabel(b *bus.Bus, text []byte) (s Snapshot, err error) {
	body, err := b.Unseal(sealPurpose, text)
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		return s, fmt.Errorf("reading a label: %w", err)
	}
	return s, nil
}

// Prune removes all but the newest snapshots of the journal, and parts that are of none. It returns the snapshots that stay.
func Prune(ctx context.Context, b *bus.Bus, keep int) ([]Snapshot, error) {
	return prune(ctx, b, keep, time.Now().Add(-orphanAge))
}

// prune is Prune. What got no part since some time, and has no label, is not under way.
func prune(ctx context.Context, b *bus.Bus, keep int, since time.Time) ([]Snapshot, error) {
	c, err := readContents(ctx, b)
	if err != nil || c.storage == nil {
		return nil, err
	}
	kept := c.snapshots[:min(keep, len(c.snapshots))]
	// The labels were read before. So what has none there, and has parts now, has none or is new.
	last, err := c.storage.lastParts(ctx)
	if err != nil {
		return kept, fmt.Errorf("listing the parts of snapshots: %w", err)
	}
	for id, part := range last {
		if slices.ContainsFunc(kept, func(s Snapshot) bool { return s.ID == id }) {
			continue
		}
		err := persist(ctx, func(ctx context.Context) error {
			if _, complete := c.labels[id]; !complete {
				if under, err := c.storage.underWay(ctx, id, part, since); under || err != nil {
					return err
				}
			}
			return c.storage.remove(ctx, id)
		})
		if err != nil {
			return kept, fmt.Errorf("removing the old snapshot %s: %w", id, err)
		}
	}
	return kept, nil
}
