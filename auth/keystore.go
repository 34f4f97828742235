package auth

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

const (
	rowKey  = rows.Key
	rowOnce = rows.Once
)

// storedKey is a row of the store.
type storedKey struct {
	keySpec
	Created time.Time `json:"created"`
	Version string    `json:"version,omitempty"`
	Once    string    `json:"once,omitempty"` // the hash of the idempotency key of the request that made it
}

// inForce returns the key as it is used.
func (k *storedKey) inForce(id string, defaultRate float64) (*Key, error) {
	of, err := k.key(defaultRate)
	if err != nil {
		return nil, err
	}
	of.id, of.stored, of.strong = id, true, true
	of.version.Store(&k.Version)
	return of, nil
}

// keyStore has the stored keys, by id. They follow the rows. After each change the effects put all keys in force.
type keyStore struct {
	log     *eventlog.Log
	effects *eventlog.Effects
	ring    *keyring

	mu     sync.Mutex
	specs  map[string]storedKey
	queued bool         // the effects will put all keys in force
	made   []createdKey // answers to requests that made keys, oldest first
}

func openKeyStore(log *eventlog.Log, ring *keyring) (*keyStore, error) {
	s := &keyStore{log: log, effects: log.Effects(), ring: ring, specs: map[string]storedKey{}}
	if err := log.FollowRows(rowKey, eventlog.Cache{Put: s.put, Names: s.names}); err != nil {
		return nil, fmt.Errorf("reading stored keys: %w", err)
	}
	return s, nil
}

func (s *keyStore) put(id string, row []byte) error {
	var k storedKey
	if row != nil {
		if err := json.Unmarshal(row, &k); err != nil {
			return err
		}
		if _, err := k.inForce(id, s.ring.defaultRate); err != nil {
			return fmt.Errorf("the stored key named %q %w", k.Name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if row == nil {
		delete(s.specs, id)
	} else {
		s.specs[id] = k
	}
	if !s.queued {
		s.queued = true
		s.effects.Do(s.use)
	}
	return nil
}

// use puts all keys in force.
func (s *keyStore) use() {
	s.mu.Lock()
	s.queued = false
	s.mu.Unlock()
	if err := s.ring.useStored(); err != nil {
		s.ring.logger.Error("a change of a key cannot be put in force", "cause", err)
	}
}

func (s *keyStore) names(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return eventlog.Named(s.specs, prefix)
}

func (s *keyStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.specs)
}

func (s *keyStore) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.specs[id]
	return ok
}

func (s *keyStore) all() map[string]storedKey {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.specs)
}
