package rooms

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sluice/store/eventlog"
)

// looking is an engine that calls a function once, after it has read the row of a room and before it returns it.
type looking struct {
	eventlog.Engine
	after func()
	err   error
}

func (l *looking) Row(key string) ([]byte, error) {
	value, err := l.Engine.Row(key)
	if after := l.after; after != nil && strings.HasPrefix(key, rowKey("")) {
		l.after = nil
		after()
		err = errors.Join(err, l.err)
	}
	return value, err
}

// Whoever enters a room that nobody is in reads its row. If the room is made, dropped or entered by others meanwhile,
// what they have done counts. A room that nobody is in and that does not exist is not remembered.
func TestEnterWhileRowChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before    bool // the room exists
		meanwhile func(t *testing.T, r, other *Rooms) error
		unread    error
		want      error
	}{
		"nothing, no room": {false, func(*testing.T, *Rooms, *Rooms) error { return nil }, nil, ErrNoRoom},
		"nothing, a room":  {true, func(*testing.T, *Rooms, *Rooms) error { return nil }, nil, nil},
		"made":             {false, func(t *testing.T, r, _ *Rooms) error { return r.Make(t.Context(), key("k"), "x") }, nil, nil},
		"dropped elsewhere": {true, func(t *testing.T, _, other *Rooms) error {
			n, err := other.drop(t.Context(), allRooms(t, other), other.o.Log.Clock().Now()+1, 0)
			if n != 1 {
				t.Errorf("%d were dropped", n)
			}
			return err
		}, nil, ErrNoRoom},
		"kept here": {true, func(t *testing.T, r, _ *Rooms) error {
			n, err := r.drop(t.Context(), allRooms(t, r), r.o.Log.Clock().Now()+1, 0)
			if n != 0 {
				t.Errorf("%d were dropped", n)
			}
			return err
		}, nil, nil},
		"entered and left": {true, func(t *testing.T, r, _ *Rooms) error {
			err := r.Enter(t.Context(), "x")
			r.Leave("x")
			return err
		}, nil, nil},
		"not read": {true, func(*testing.T, *Rooms, *Rooms) error { return nil }, eventlog.ErrUnavailable, eventlog.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := &looking{}
			r, _ := openRooms(t, func() (_ eventlog.Engine, err error) {
				engine.Engine, err = engines["memory"]()
				return engine, err
			})
			other := openStore(t, r.o.Log, r.o.Retention)
			if test.before {
				if err := r.Make(t.Context(), key("k"), "x"); err != nil {
					t.Fatal(err)
				}
			}
			engine.err = test.unread
			engine.after = func() {
				if err := test.meanwhile(t, r, other); err != nil {
					t.Error(err)
				}
			}
			err := r.Enter(context.Background(), "x")
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if known := r.rooms["x"]; (known != nil) != (err == nil) || known != nil && known.inside != 1 {
				t.Errorf("known: %+v", known)
			}
		})
	}
}
