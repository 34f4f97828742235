package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/eventlog/pebble"
	"sluice/store/rows"
)

// membership says to which cluster a log belongs. It is a row of the log, so a snapshot has it too.
type membership struct {
	Born    string `json:"born"`              // when the cluster was made, RFC 3339
	Birth   string `json:"id"`                // identifies its journal
	Joining bool   `json:"joining,omitempty"` // `sluice cluster init` has begun with this log, and has not ended

	cluster string // the name; "" if the log belongs to no cluster
}

// row returns the row of a membership.
func (m membership) row() (eventlog.Row, error) {
	value, err := json.Marshal(m)
	if err != nil {
		return eventlog.Row{}, fmt.Errorf("writing to which cluster the log belongs: %w", err)
	}
	return eventlog.Row{Key: rows.Cluster + m.cluster, Value: value}, nil
}

func readMembership(key string, value []byte) (m membership, err error) {
	if err := json.Unmarshal(value, &m); err != nil {
		return m, fmt.Errorf("reading the row %s: %w", key, err)
	}
	m.cluster = strings.TrimPrefix(key, rows.Cluster)
	return m, nil
}

// membershipOf reads it from the log of an engine.
func membershipOf(engine eventlog.Engine) (m membership, err error) {
	err = engine.Rows(rows.Cluster, func(r eventlog.Row) (err error) {
		m, err = readMembership(r.Key, r.Value)
		return err
	})
	return m, err
}

// folder is what a log has that no gateway runs on.
type folder struct {
	membership
	applied eventlog.Applied
	level   int // of its formats
	exists  bool
}

// readFolder reads it, and changes no file.
func readFolder(dir string) (f folder, err error) {
	if !pebble.HasLog(dir) {
		return f, nil
	}
	log, err := pebble.Inspect(pebble.Options{Dir: dir})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	f.exists = true
	if f.applied, err = log.Applied(); err != nil {
		return f, err
	}
	f.level = journal.Oldest
	return f, log.View(context.Background(), func(v eventlog.View) error {
		err := v.Scan(rows.Level, rows.Level+"\xff", false, func(_, value []byte) (_ bool, err error) {
			f.level, err = journal.ReadLevel(value)
			return true, err
		})
		if err != nil {
			return err
		}
		return v.Scan(rows.Cluster, rows.Cluster+"\xff", false, func(key, value []byte) (_ bool, err error) {
			f.membership, err = readMembership(string(key), value)
			return true, err
		})
	})
}

// checkAlone refuses the log of a cluster's gateway if the settings name no cluster: it would go its own way.
func checkAlone(engine eventlog.Engine, dataDir string) error {
	if err := checkLevel(engine, dataDir); err != nil {
		return err
	}
	m, err := membershipOf(engine)
	if err != nil || m.cluster == "" {
		return err
	}
	return &SettingsError{fmt.Errorf("it belongs to the cluster %s, and CLUSTER_URL is not set: set it, or take the log out of its cluster with: sluice cluster leave %s",
		m.cluster, dataDir)}
}
