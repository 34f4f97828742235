package streams

import (
	"context"
	"time"

	"sluice/store/eventlog"
)

// Seen is a database, as an administrator sees it.
type Seen struct {
	Name       string
	Created    time.Time
	Account    string // that is charged for it; "": root
	Grants     map[string]Role
	Namespaces int // without the unnamed one
}

// See describes a database.
func (c *Catalog) See(name string) (Seen, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d := c.byName[name]
	if d == nil {
		return Seen{}, noDatabase(name)
	}
	return Seen{name, d.info.Created, d.account, d.info.Grants, len(d.contents.namespaces)}, nil
}

// SeenStream is a stream, as an administrator sees it.
type SeenStream struct {
	Namespace, Name string
	eventlog.StreamState
}

// SeeStreams describes some streams of a namespace, or of all if namespace is nil, after a stream's name in the log. It
// returns the name after which the next call goes on, or "" at the end.
func (c *Catalog) SeeStreams(ctx context.Context, name string, namespace *string, after string, limit int) (list []SeenStream, next string, err error) {
	_, done, err := c.lookInto(ctx, name, namespace)
	if err != nil {
		return nil, "", err
	}
	defer done()
	some, next, err := c.log.Names(ctx, Space(name), MapNamespace(value(namespace)), after, limit)
	for _, s := range some {
		if err != nil {
			break
		}
		if !within(namespace, s.Stream) {
			continue
		}
		one := SeenStream{StreamState: s}
		var whole bool
		if one.Namespace, one.Name, whole = unmapStream(s.Stream); !whole { // its events have the name
			var p eventlog.Page
			if p, err = c.log.Read(ctx, query(name, s.Stream), s.First-1, 1); err == nil && len(p.Events) > 0 {
				_, one.Namespace, one.Name, _, _ = names(&p.Events[0])
			}
		}
		list = append(list, one)
	}
	return list, next, err
}
