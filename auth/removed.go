package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// rowMinter is the prefix of the rows of minters; the id of the key follows.
const rowMinter = rows.Minter

// maxMinterRows is the largest number of rows in one commit.
const maxMinterRows = 1000

// minter is the row of a key of the settings, which may mint tokens.
type minter struct {
	Present bool   `json:"present"`           // the settings have the key
	Removed int64  `json:"removed,omitempty"` // when it was last removed, in microseconds: tokens minted until then are void
	Gone    uint64 `json:"place,omitempty"`   // the same as an id of the log, which decides when the row is deleted
}

// minters has the keys that the settings have now or had before. If a removed key is put back into the settings, it has
// the same id, but its earlier tokens must stay void. A key of the store needs no row: a new key has a new id.
type minters struct {
	log     *eventlog.Log
	effects *eventlog.Effects
	logger  *slog.Logger
	now     func() time.Time

	mu      sync.RWMutex
	of      map[string]minterRow
	present map[string]bool  // the keys that the settings of this gateway have
	removed map[string]int64 // what this gateway has removed, until it is stored: a removal that cannot be stored takes effect too
	renew   func(id string)  // ends what depends on a key that another gateway has removed; nil while the rows are read first
}

// minterRow is a minter with its row, which a change depends on.
type minterRow struct {
	minter
	row []byte
}

func openMinters(log *eventlog.Log, logger *slog.Logger, now func() time.Time, renew func(id string)) (*minters, error) {
	m := &minters{log: log, effects: log.Effects(), logger: logger, now: now, of: map[string]minterRow{}, removed: map[string]int64{}}
	if err := log.FollowRows(rowMinter, eventlog.Cache{Put: m.put, Names: m.names}); err != nil {
		return nil, fmt.Errorf("reading when keys were removed: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.renew = renew
	return m, nil
}

func (m *minters) put(id string, row []byte) error {
	one := minterRow{row: row}
	if row != nil {
		if err := json.Unmarshal(row, &one.minter); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.removed[id]
	if renew := m.renew; renew != nil && one.Removed > max(own, m.of[id].Removed) {
		m.effects.Do(func() { renew(id) })
	}
	if one.Removed >= own {
		delete(m.removed, id)
	}
	if row == nil {
		delete(m.of, id)
	} else {
		m.of[id] = one
	}
	return nil
}

func (m *minters) names(prefix string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return eventlog.Named(m.of, prefix)
}

// void reports whether a key was removed after it minted a token. minted is a time in microseconds.
func (m *minters) void(id string, minted int64) bool {
	if m == nil {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return minted <= max(m.of[id].Removed, m.removed[id])
}

// note takes the ids of the keys that the settings have now. Call it after the lives of removed keys have ended, so that
// they mint no token after the time that it notes. A removal takes effect even if it cannot be stored.
func (m *minters) note(present map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, before := m.now().UnixMicro(), m.present
	m.present = present
	for id := range before {
		if !present[id] {
			m.removed[id] = now
		}
	}
	if before != nil {
		return
	}
	for id, one := range m.of { // removed while the gateway was down
		if one.Present && !present[id] {
			m.removed[id] = now
		}
	}
}

// store stores what was noted. What it cannot store, the next call tries again.
func (m *minters) store() {
	err := m.log.Retry(context.Background(), func() error {
		for {
			r := m.request()
			if len(r.Rows) == 0 {
				return nil
			}
			if _, err := m.log.Append(context.Background(), r); err != nil {
				return err
			}
		}
	})
	if err != nil {
		m.logger.Error("cannot store which API keys the settings have: after a restart, tokens that a removed key minted may be valid again if the key comes back", "cause", err)
	}
}

// request makes a request that stores what is not stored yet, and forgets keys whose tokens have all expired.
func (m *minters) request() *eventlog.Request {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := &eventlog.Request{FromReserve: true}
	put := func(id string, one *minter) {
		row, was := eventlog.Row{Key: rowMinter + id}, m.of[id].row
		if one != nil {
			var err error
			if row.Value, err = rows.Update(was, one); err != nil { // cannot happen: the fields are a bool and numbers
				return
			}
		}
		if len(r.Rows) < maxMinterRows {
			r.Rows, r.If = append(r.Rows, row), append(r.If, eventlog.RowIs(row.Key, was))
		}
	}
	for id := range m.present {
		if one := m.of[id]; !one.Present || m.removed[id] > one.Removed {
			gone := one.Gone
			if m.removed[id] > one.Removed {
				gone = m.log.Clock().Now()
			}
			put(id, &minter{true, max(one.Removed, m.removed[id]), gone})
		}
	}
	for id, removed := range m.removed {
		if !m.present[id] {
			put(id, &minter{false, max(m.of[id].Removed, removed), m.log.Clock().Now()})
		}
	}
	now := m.now()
	for id, one := range m.of {
		if !one.Present && !m.present[id] && m.removed[id] == 0 && now.Sub(time.UnixMicro(one.Removed)) > MaxTTL && m.log.Clock().Age(one.Gone) > MaxTTL {
			// All its tokens have expired. Both clocks must agree: the system's may be ahead now and set back later.
			put(id, nil)
		}
	}
	return r
}
