package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// seen is an event as a client sees it.
type seen struct {
	Data json.RawMessage
	Meta struct{ ID, Type, DB, NS, Stream, TZ, TS string }
}

// spot is a stream.
type spot struct{ namespace, stream string }

// modelDB is a database as lists.
type modelDB struct {
	events      []seen
	namespaces  map[string]bool
	annotations map[spot]string
	grants      map[string]streams.Role
	maker       string
}

// ownedBy reports whether the database exists and an account, or root, may do everything with it.
func (d *modelDB) ownedBy(account string) bool {
	return d != nil && (account == "" || d.grants[account] == streams.Owner)
}

type model struct {
	fs      vfs.FS
	log     *eventlog.Log
	catalog *streams.Catalog
	dbs     map[string]*modelDB
	retired map[string][2]string // by name: who gave it up, and who had made the database
	next    int
}

// takes returns the error of an account that takes a name.
func (m *model) takes(name, account string) error {
	r, retired := m.retired[name]
	if m.dbs[name] != nil || retired && account != "" && r != [2]string{account, account} {
		return streams.ErrTaken
	}
	return nil
}

// take notes that a name is taken.
func (m *model) take(name string, d *modelDB) {
	m.dbs[name] = d
	delete(m.retired, name)
}

// giveUp notes that a name's database was renamed or destroyed.
func (m *model) giveUp(name, by string) {
	m.retired[name] = [2]string{by, m.dbs[name].maker}
	delete(m.dbs, name)
}

func (m *model) open(t *rapid.T) {
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: m.fs})
	if err != nil {
		t.Fatal(err)
	}
	if m.log, err = eventlog.Open(engine, eventlog.Options{}); err != nil {
		t.Fatal(err)
	}
	if m.catalog, err = streams.Open(m.log, streams.Limits{}); err != nil {
		t.Fatal(err)
	}
}

var (
	dbNames    = rapid.SampledFrom([]string{"a", "b", "c"})
	namespaces = rapid.SampledFrom([]string{"", "", "shop", "shop/x", "ü ", strings.Repeat("n", 100)})
	names      = rapid.SampledFrom([]string{"s", "t", "s:1", "a/b", strings.Repeat("s", 200)})
	types      = rapid.SampledFrom([]string{"deposit", "pay bill", "put", "error", strings.Repeat("t", 140)})
)

// accounts are the accounts that make databases and give them up; "" is root.
var accounts = rapid.SampledFrom([]string{"ann", "bob", ""})

func newModelDB(maker string) *modelDB {
	d := &modelDB{namespaces: map[string]bool{}, annotations: map[spot]string{}, grants: map[string]streams.Role{}, maker: maker}
	if maker != "" {
		d.grants[maker] = streams.Owner
	}
	return d
}

// expect checks an error; nil means that none is wanted.
func expect(t *rapid.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// TestModel: after any creating, appending, annotating, renaming, cloning, emptying and destroying, before and after
// the store is reopened, the catalog has what plain lists have.
func TestModel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{fs: vfs.NewMem(), dbs: map[string]*modelDB{}, retired: map[string][2]string{}}
		m.open(rt)
		// with draws a database, and returns the error to expect if it does not exist.
		with := func(rt *rapid.T) (string, *modelDB) {
			name := dbNames.Draw(rt, "db")
			return name, m.dbs[name]
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				name, _ := with(rt)
				who := accounts.Draw(rt, "who")
				want := m.takes(name, who)
				if want == nil {
					m.take(name, newModelDB(who))
				}
				expect(rt, m.catalog.Create(ctx, name, who), want)
			},
			"append": func(rt *rapid.T) {
				name, d := with(rt)
				m.next++
				e := seen{Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, m.next))}
				e.Meta.ID, e.Meta.Type, e.Meta.NS, e.Meta.Stream, e.Meta.TZ = fmt.Sprint(m.next%40), types.Draw(rt, "type"), namespaces.Draw(rt, "ns"), names.Draw(rt, "stream"), "UTC"
				create := rapid.Bool().Draw(rt, "create")
				_, err := m.catalog.Append(ctx, name, &streams.Event{
					ID: e.Meta.ID, Type: e.Meta.Type, Namespace: e.Meta.NS, Stream: e.Meta.Stream, Data: e.Data,
					Meta: map[string]json.RawMessage{"tz": json.RawMessage(`"UTC"`), "id": json.RawMessage(`"not this"`)},
				}, create)
				switch {
				case d == nil:
					expect(rt, err, streams.ErrNoDatabase)
				case !create && e.Meta.NS != "" && !d.namespaces[e.Meta.NS]:
					expect(rt, err, streams.ErrMayNot)
				case slices.ContainsFunc(d.events, func(o seen) bool {
					return o.Meta.ID == e.Meta.ID && o.Meta.NS == e.Meta.NS && o.Meta.Stream == e.Meta.Stream
				}):
					expect(rt, err, streams.ErrDuplicate)
				default:
					expect(rt, err, nil)
					d.events = append(d.events, e)
					if e.Meta.NS != "" {
						d.namespaces[e.Meta.NS] = true
					}
				}
			},
			"annotate": func(rt *rapid.T) {
				name, d := with(rt)
				at := spot{namespaces.Draw(rt, "ns"), names.Draw(rt, "stream")}
				m.next++
				text := fmt.Sprintf(`{"n":%d,"type":"x"}`, m.next)
				err := m.catalog.Annotate(ctx, name, at.namespace, at.stream, []byte(text))
				switch {
				case d == nil:
					expect(rt, err, streams.ErrNoDatabase)
				case at.namespace != "" && !d.namespaces[at.namespace]:
					expect(rt, err, streams.ErrNoNamespace)
				default:
					expect(rt, err, nil)
					d.annotations[at] = text
				}
			},
			"destroy event": func(rt *rapid.T) {
				name, d := with(rt)
				if d == nil || len(d.events) == 0 {
					return // nothing
				}
				e := rapid.SampledFrom(d.events).Draw(rt, "event").Meta
				expect(rt, m.catalog.DestroyEvent(ctx, name, e.NS, e.Stream, e.ID), nil)
				d.drop(func(o seen) bool { return o.Meta == e })
				expect(rt, m.catalog.DestroyEvent(ctx, name, e.NS, e.Stream, e.ID), streams.ErrNoEvent)
			},
			"destroy stream": func(rt *rapid.T) {
				name, d := with(rt)
				at := spot{namespaces.Draw(rt, "ns"), names.Draw(rt, "stream")}
				err := m.catalog.DestroyStream(ctx, name, at.namespace, at.stream)
				if d == nil {
					expect(rt, err, streams.ErrNoDatabase)
					return
				}
				if n := d.drop(func(o seen) bool { return o.Meta.NS == at.namespace && o.Meta.Stream == at.stream }); n == 0 && d.annotations[at] == "" {
					expect(rt, err, streams.ErrNoStream)
				} else {
					expect(rt, err, nil)
				}
				delete(d.annotations, at)
			},
			"empty namespace": func(rt *rapid.T) {
				name, d := with(rt)
				ns := namespaces.Draw(rt, "ns")
				f := m.catalog.Truncate
				destroy := rapid.Bool().Draw(rt, "destroy")
				if destroy {
					f = m.catalog.DestroyNamespace
				}
				err := f(ctx, name, ns)
				switch {
				case d == nil:
					expect(rt, err, streams.ErrNoDatabase)
				case ns != "" && !d.namespaces[ns]:
					expect(rt, err, streams.ErrNoNamespace)
				default:
					expect(rt, err, nil)
					d.drop(func(o seen) bool { return o.Meta.NS == ns })
					maps.DeleteFunc(d.annotations, func(at spot, _ string) bool { return at.namespace == ns })
					if destroy {
						delete(d.namespaces, ns)
					}
				}
			},
			"rename namespace": func(rt *rapid.T) {
				name, d := with(rt)
				ns, to := namespaces.Draw(rt, "ns"), namespaces.Draw(rt, "to")
				err := m.catalog.RenameNamespace(ctx, name, ns, to)
				switch {
				case d == nil:
					expect(rt, err, streams.ErrNoDatabase)
				case ns != "" && !d.namespaces[ns]:
					expect(rt, err, streams.ErrNoNamespace)
				case to == "":
					expect(rt, err, streams.ErrName)
				case d.namespaces[to]:
					expect(rt, err, streams.ErrTaken)
				default:
					expect(rt, err, nil)
					d.rename(ns, to)
				}
			},
			"rename or clone": func(rt *rapid.T) {
				name, d := with(rt)
				to, who := dbNames.Draw(rt, "to"), accounts.Draw(rt, "who")
				clone := rapid.Bool().Draw(rt, "clone")
				var err error
				if clone {
					err = m.catalog.Clone(ctx, name, to, who)
				} else {
					err = m.catalog.Rename(ctx, name, to, who)
				}
				switch {
				case !d.ownedBy(who) && err == nil:
					rt.Fatal("it was not there, or not the account's")
				case !d.ownedBy(who):
				case m.takes(to, who) != nil:
					expect(rt, err, streams.ErrTaken)
				case clone:
					expect(rt, err, nil)
					made := newModelDB(who)
					made.events, made.namespaces, made.annotations = slices.Clone(d.events), maps.Clone(d.namespaces), maps.Clone(d.annotations)
					m.take(to, made)
				default:
					expect(rt, err, nil)
					m.giveUp(name, who)
					m.take(to, d)
				}
			},
			"destroy": func(rt *rapid.T) {
				name, d := with(rt)
				who := accounts.Draw(rt, "who")
				var want error
				if d.ownedBy(who) {
					m.giveUp(name, who)
				} else {
					want = streams.ErrNoDatabase
				}
				expect(rt, m.catalog.Destroy(ctx, name, who), want)
			},
			"grant": func(rt *rapid.T) {
				name, d := with(rt)
				who, role := rapid.SampledFrom([]string{"ann", "bob"}).Draw(rt, "who"), streams.Role(rapid.IntRange(0, 4).Draw(rt, "role"))
				err := m.catalog.Grant(ctx, name, who, role)
				if d == nil {
					expect(rt, err, streams.ErrNoDatabase)
					return
				}
				expect(rt, err, nil)
				if d.grants[who] = role; role == streams.None {
					delete(d.grants, who)
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := m.log.Close(); err != nil {
					rt.Fatal(err)
				}
				m.open(rt)
			},
			"": func(rt *rapid.T) { m.check(rt) },
		})
		if err := m.log.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func (d *modelDB) drop(is func(seen) bool) (n int) {
	n = len(d.events)
	d.events = slices.DeleteFunc(slices.Clone(d.events), is)
	return n - len(d.events)
}

func (d *modelDB) rename(ns, to string) {
	d.events = slices.Clone(d.events)
	for i := range d.events {
		if d.events[i].Meta.NS == ns {
			d.events[i].Meta.NS = to
		}
	}
	for at, text := range maps.Clone(d.annotations) {
		if at.namespace == ns {
			delete(d.annotations, at)
			d.annotations[spot{to, at.stream}] = text
		}
	}
	delete(d.namespaces, ns)
	d.namespaces[to] = true
}
