package rooms

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
)

// Options are plain values out of the settings, and the log that the rooms are in.
type Options struct {
	Log       *eventlog.Log
	Logger    *slog.Logger
	Retention time.Duration // a room without messages for so long is dropped
	Unused    time.Duration // and one that nothing was ever pushed to, when nobody was in it for so long
	Limits    Limits
}

// Limits bound what those who know a room's id can take of the gateway.
type Limits struct {
	Rooms          int // at the same time
	CreateRate     int // rooms a minute that are made for one client address
	CreateRateAll  int // rooms a minute that are made for all clients without a credential
	CreateRateKey  int // rooms a minute that are made for one credential
	Connections    int // open at once in a room
	Rate           int // stored pushes a second of a room, and as many relays
	ConnectionRate int // messages a second of a WebSocket

	Flood time.Duration // how long a WebSocket may be slowed down, in sum, before it is closed
}

// Rooms are those of a log.
type Rooms struct {
	o       Options
	quit    chan struct{}
	started time.Time
	keeper  sync.WaitGroup
	made    census
	makers  *makers

	mu    sync.Mutex
	rooms map[string]*room
}

// Open counts the rooms of a log and begins to look after them. Close ends it.
func Open(o Options) (*Rooms, error) {
	r := &Rooms{o: o, started: time.Now(), quit: make(chan struct{}), rooms: map[string]*room{}, makers: newMakers(o.Limits)}
	r.made.most = int64(o.Limits.Rooms)
	if _, err := r.survey(0, 0); err != nil {
		return nil, fmt.Errorf("counting rooms: %w", err)
	}
	r.keeper.Go(r.keep)
	return r, nil
}

// Close ends what Open began.
func (r *Rooms) Close() {
	close(r.quit)
	r.keeper.Wait()
}

// Space is the part of the log that a room is.
func Space(id string) string { return channel.RoomSpace + id }

// mostID is how long an id may be.
const mostID = 128

// IsID reports whether a text can be the id of a room: letters, digits, "-", "_" and, but for the first, ".". What
// JavaScript makes of a missing value is none: strangers would meet there.
func IsID(text string) bool {
	if text == "" || len(text) > mostID || text[0] == '.' || text == "undefined" || text == "null" || text == "NaN" {
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
