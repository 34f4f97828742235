package gateway

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"sluice/auth/account"
	"sluice/config"
	"sluice/handlers/audit"
	"sluice/handlers/persistr"
	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
	"sluice/store/subscriptions"
)

// inMemory is the DATA_DIR that stores nothing on disk.
const inMemory = "memory"

// logFolder is the log's folder in DATA_DIR.
const logFolder = "log"

func (g *Gateway) openLog() error {
	engine, err := g.openEngine()
	if err != nil {
		return err
	}
	o := eventlog.Options{Logger: g.o.Logger, QueueBytes: int(g.budgets.queue), KnownBytes: g.budgets.known, Keys: int(g.budgets.keys)}
	if g.clustered() {
		o.WaitLimit = clusterWait
	}
	var log *eventlog.Log
	if o.Journal, err = g.openJournal(engine); err == nil {
		log, err = eventlog.Open(engine, o)
	}
	if err != nil {
		_ = engine.Close() // the first error is the one to report
		return fmt.Errorf("reading the log in DATA_DIR %s: %w", g.cfg.DataDir, err)
	}
	g.Log = log
	g.onClose(log.Close)
	return nil
}

func (g *Gateway) openEngine() (eventlog.Engine, error) {
	switch {
	case g.o.Engine != nil:
		return g.o.Engine, nil
	case g.cfg.DataDir == inMemory:
		return memory.Open(memory.Options{Retain: g.retention}), nil
	}
	durability := pebble.Process
	if g.cfg.Durability == config.DurabilityDisk {
		durability = pebble.Disk
	}
	engine, err := pebble.Open(pebble.Options{
		Dir: filepath.Join(g.cfg.DataDir, logFolder), Durability: durability, Cache: g.budgets.cache, MemTable: uint64(g.budgets.memTable),
		Retain: g.retention, Logger: g.o.Logger, Fatal: g.fail,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the log in DATA_DIR %s: %w", g.cfg.DataDir, err)
	}
	return engine, nil
}

func (g *Gateway) retention(space string) eventlog.Retention {
	switch {
	case space == "":
		return eventlog.Retention{Age: g.cfg.RetainAge.Microseconds(), Bytes: int64(g.cfg.RetainBytes)}
	case slices.Contains(audit.Spaces[:], space):
		return eventlog.Retention{Age: g.cfg.AuditRetainAge.Microseconds(), Bytes: int64(g.cfg.AuditRetainBytes)}
	}
	return eventlog.Retention{}
}

// openStore opens the models on the log whose opening may store something: databases, accounts, and names of lists of channels.
func (g *Gateway) openStore() (err error) {
	g.Databases, err = streams.Open(g.Log, streams.Limits{
		Databases: g.cfg.MaxDatabases, DatabaseBytes: int64(g.cfg.MaxDatabaseBytes), AccountBytes: int64(g.cfg.MaxAccountBytes),
	})
	if err != nil {
		return err
	}
	if g.Accounts, err = account.Open(g.Log, g.passwords()); err != nil {
		return err
	}
	if err := g.makeDemo(); err != nil {
		return err
	}
	return g.openNames()
}

// openNames opens the names of lists of channels.
func (g *Gateway) openNames() (err error) {
	g.Names, err = subscriptions.Open(subscriptions.Options{Log: g.Log, Logger: g.o.Logger, Bytes: g.budgets.names})
	if err != nil {
		return err
	}
	g.onClose(func() error {
		g.Names.Close()
		return nil
	})
	return nil
}

// makeDemo makes the account and the database for a first try of Persistr's clients, if the settings ask for them.
func (g *Gateway) makeDemo() error {
	if !g.cfg.PersistrDemo {
		return nil
	}
	g.o.Logger.Warn("PERSISTR_DEMO is on: everyone who can reach this gateway can sign in as demo/demo")
	if err := persistr.MakeDemo(context.Background(), g.Accounts, g.Databases); err != nil {
		return fmt.Errorf("making the account of PERSISTR_DEMO: %w", err)
	}
	return nil
}

// openDocuments finds the collections, and builds the indexes that are newly declared.
func (g *Gateway) openDocuments() (err error) {
	g.answers = documents.NewAnswers(int64(g.cfg.MaxResult), g.budgets.answers)
	g.Documents, err = documents.Open(context.Background(), g.Log, documents.Options{
		Answers: g.answers, Indexes: indexes(g.cfg.CollectionIndexes), Now: g.o.Now, Logger: g.o.Logger,
		MaxDocument: int(g.cfg.MaxDocument), MaxDocuments: int64(g.cfg.MaxDocuments), MaxBytes: int64(g.cfg.MaxCollectionBytes),
		MaxCollections: g.cfg.MaxCollections, MaxResult: int64(g.cfg.MaxResult), QueryTime: g.cfg.QueryTime,
	})
	return err
}

// indexes returns COLLECTION_INDEXES with the store's names of fields. Directus' clients say date_created for _created.
func indexes(declared config.Indexes) map[string][]string {
	all := make(map[string][]string, len(declared))
	for collection, fields := range declared {
		all[collection] = slices.Clone(fields)
		for i, f := range fields {
			if f == "date_created" {
				all[collection][i] = "_created"
			}
		}
	}
	return all
}
