package rooms

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
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
	quit    chan struct{}
	started time.Time
	keeper  sync.WaitGroup
	made    census
	makers  *makers

	mu       sync.Mutex
	rooms    map[string]*room
	dropping map[string]chan struct{} // the channel is closed when the drop has ended
}

// Open counts the rooms of a log and starts to drop old ones, until Close.
func Open(o Options) (*Rooms, error) {
	r := &Rooms{o: o, started: time.Now(), quit: make(chan struct{}), rooms: map[string]*room{}, dropping: map[string]chan struct{}{}, makers: newMakers(o.Limits)}
	r.made.max = int64(o.Limits.Rooms)
	if _, err := r.survey(0, 0); err != nil {
		return nil, fmt.Errorf("counting rooms: %w", err)
	}
	r.keeper.Go(r.maintain)
	return r, nil
}

// Close ends what Open started.
func (r *Rooms) Close() {
	close(r.quit)
	r.keeper.Wait()
}

// Space is the space of a room in the log.
func Space(id string) string { return channel.RoomSpace + id }

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
