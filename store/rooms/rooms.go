package rooms

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Options are values from the settings, and the log of the rooms.
type Options struct {
	Log       *eventlog.Log
	Logger    *slog.Logger
	Retention time.Duration // a room without messages for this long is dropped
	Unused    time.Duration // and a room without any push, if nobody was in it for this long
	Limits    Limits
}

// Limits bound what clients that know a room's id can use.
type Limits struct {
	Rooms          int // at the same time
	CreateRate     int // rooms a minute for one client address
	CreateRateAll  int // rooms a minute for all clients without a credential
	CreateRateKey  int // rooms a minute for one credential
	Connections    int // open at once in a room
	Rate           int // stored pushes a second of a room, and as many relays
	ConnectionRate int // messages a second of a WebSocket

	Flood time.Duration // the total delay after which a WebSocket that sends too fast is closed
}

// Rooms are the rooms of a log.
type Rooms struct {
	o       Options
	life    context.Context // ends with Close
	end     func()
	started time.Time
	keeper  sync.WaitGroup
	made    census
	makers  *makers

	mu       sync.Mutex
	rooms    map[string]*room
	dropping map[string]chan struct{} // the channel is closed when the drop has ended
	doubts   []eventlog.KeyedSpace    // rooms of drops that the log has not answered in time
}

// Open follows the rooms of a log and starts to drop old ones, until Close.
func Open(o Options) (*Rooms, error) {
	r := &Rooms{o: o, started: time.Now(), rooms: map[string]*room{}, dropping: map[string]chan struct{}{}, makers: newMakers(o.Limits)}
	r.made.max, r.made.making = o.Limits.Rooms, map[string]*making{}
	if err := o.Log.Follow(rowKey(""), r.follow); err != nil {
		return nil, fmt.Errorf("following the rooms: %w", err)
	}
	r.life, r.end = context.WithCancel(context.Background())
	r.keeper.Go(r.keep)
	return r, nil
}

// Close ends what Open started.
func (r *Rooms) Close() {
	r.end()
	r.keeper.Wait()
}

// follow takes a change of the log's rows. If somebody is in a room that is gone, it stays known until they leave.
func (r *Rooms) follow(changes eventlog.Changes) {
	r.made.follow(changes)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range changes.Rows {
		id := idOfRow(row)
		known := r.rooms[id]
		if known != nil {
			known.set(eventlog.KeyedSpaceOf(row))
		}
		if row.Value != nil {
			continue
		}
		r.makers.ended(id)
		if known != nil && known.inside == 0 {
			delete(r.rooms, id)
		}
		r.endDrop(id)
	}
}

// Space is the space of a room in the log.
func Space(id string) string { return channel.RoomSpace + id }

// idOf is the id of a space's room.
func idOf(space string) string { return space[len(channel.RoomSpace):] }

// rowKey is the key of a room's row in the log.
func rowKey(id string) string { return rows.Keyed + Space(id) }

// idOfRow is the id of a row's room.
func idOfRow(row eventlog.Row) string { return row.Key[len(rowKey("")):] }

// maxID is the length of the longest id.
const maxID = 128

// IsID reports whether a text can be the id of a room: letters, digits, "-", "_" and, except at the beginning, ".".
// What JavaScript makes of a missing value is no id: strangers would meet in such a room.
func IsID(text string) bool {
	if text == "" || len(text) > maxID || text[0] == '.' || text == "undefined" || text == "null" || text == "NaN" {
		return false
	}
	for _, b := range []byte(text) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}
