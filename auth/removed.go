package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
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
	log    *eventlog.Log
	logger *slog.Logger
	now    func() time.Time

	unstored []eventlog.Row // rows that an earlier call of note could not store

	mu    sync.RWMutex
	byKey map[string]minter
}

func openMinters(log *eventlog.Log, logger *slog.Logger, now func() time.Time) (*minters, error) {
	m := &minters{log: log, logger: logger, now: now, byKey: map[string]minter{}}
	err := log.Rows(rowMinter, func(r eventlog.Row) error {
		var one minter
		if err := json.Unmarshal(r.Value, &one); err != nil {
			return fmt.Errorf("the row of key %q: %w", r.Key, err)
		}
		m.byKey[strings.TrimPrefix(r.Key, rowMinter)] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading when keys were removed: %w", err)
	}
	return m, nil
}

// void reports whether a key was removed after it minted a token. minted is a time in microseconds.
func (m *minters) void(id string, minted int64) bool {
	if m == nil {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return minted <= m.byKey[id].Removed
}

// note updates the minters to the keys that the settings have now, by id. Call it after the lives of removed keys have
// ended, so that they mint no token after the time that it notes. A removal takes effect even if it cannot be stored.
// Calls must not overlap.
func (m *minters) note(present map[string]bool) {
	m.unstored = append(m.unstored, m.update(present)...)
	for len(m.unstored) > 0 {
		n := min(len(m.unstored), maxMinterRows)
		if _, err := m.log.Append(context.Background(), &eventlog.Request{Rows: m.unstored[:n], FromReserve: true}); err != nil {
			m.logger.Error("cannot store which API keys the settings have: after a restart, tokens that a removed key minted may be valid again if the key comes back", "cause", err)
			return
		}
		m.unstored = m.unstored[n:]
	}
}

func (m *minters) update(present map[string]bool) (rows []eventlog.Row) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	put := func(id string, one minter) {
		m.byKey[id] = one
		text, err := json.Marshal(one)
		if err != nil { // cannot happen: the fields are a bool and numbers
			return
		}
		rows = append(rows, eventlog.Row{Key: rowMinter + id, Value: text})
	}
	for id := range present {
		if one := m.byKey[id]; !one.Present {
			put(id, minter{true, one.Removed, one.Gone})
		}
	}
	for id, one := range m.byKey {
		switch {
		case present[id]:
		case one.Present:
			put(id, minter{false, now.UnixMicro(), m.log.Clock().Now()})
		case now.Sub(time.UnixMicro(one.Removed)) > MaxTTL && m.log.Clock().Age(one.Gone) > MaxTTL:
			// All its tokens have expired. Both clocks must agree: the system's may be ahead now and set back later.
			delete(m.byKey, id)
			rows = append(rows, eventlog.Row{Key: rowMinter + id})
		}
	}
	return rows
}
