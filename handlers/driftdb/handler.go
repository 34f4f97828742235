package driftdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Create says who may make rooms.
type Create string

// Who may.
const (
	Nobody   Create = "off"
	Anybody  Create = "open"
	KeysOnly Create = "key"
)

// Options are plain values out of the settings, and what the gateway is made of.
type Options struct {
	Auth           *auth.Authenticator
	Broker         *broker.Broker
	Traffic        *traffic.Traffic
	Logger         *slog.Logger
	Create         Create
	Retention      time.Duration // a room without messages for so long is dropped
	Unused         time.Duration // and one that nothing was ever pushed to, when nobody was in it for so long
	Unread         int64         // bytes that answers may hold until they are read; 32 times Bound.Bytes
	Bound          eventlog.Bound
	Limits         Limits
	PingInterval   time.Duration
	WriteTimeout   time.Duration
	Shards         int // as of writers.Config
	ReadTimeout    time.Duration
	MaxBody        int64
	TrustedProxies peer.Proxies
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

// Handler serves the door.
type Handler struct {
	o       Options
	writers *writers.Writers
	streams traffic.Opener
	quit    chan struct{}
	started time.Time
	group   sync.WaitGroup
	large   *share.Slots // for large frames of CBOR that are read
	made    census
	makers  *makers
	unread  *unread

	mu    sync.Mutex // a leaf, but for the drop of a room, which nobody may enter meanwhile
	rooms map[string]*room
}

// New makes the handler and begins to look after rooms. Close ends it.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, started: time.Now(), quit: make(chan struct{}), rooms: map[string]*room{}, large: share.NewSlots(runtime.GOMAXPROCS(0), math.MaxInt)}
	h.streams = traffic.Opener{Door: traffic.DoorRooms, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger}
	h.unread = newUnread(o.Bound.Bytes, o.Unread)
	h.made.most, h.makers = int64(o.Limits.Rooms), newMakers(o.Limits)
	if _, err := h.survey(0, 0); err != nil {
		return nil, fmt.Errorf("counting rooms: %w", err)
	}
	var err error
	h.writers, err = writers.New(writers.Config{
		Broker: o.Broker, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
	})
	h.group.Go(h.keep)
	h.group.Go(func() { h.unread.keep(h.quit) })
	return h, err
}

// Close ends what New began.
func (h *Handler) Close() error {
	close(h.quit)
	h.group.Wait()
	h.writers.Close()
	return nil
}

const connectPath = "/room/:room/connect"

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	e.POST("/new", h.create)
	e.GET("/room/:room", h.look)
	e.GET(connectPath, h.connect)
	e.POST("/room/:room/send", h.send)
	e.GET("/room/:room/events", h.events)
	e.GET("/room/:room/presence", h.presence)
}

// anybody is who connects to a room: its id is all that is asked for.
var anybody = &auth.Identity{Name: "room", Kind: "room"}

// space is the part of the log that a room is.
func space(id string) string { return channel.RoomSpace + id }

var errNoRoom = httperr.New(http.StatusNotFound, httperr.NotFound, "there is no such room, or no more: POST /new makes one")

// charged is a request's context, whose work is charged to the address, as a room asks for no credential.
func charged(c echo.Context) context.Context {
	return share.With(c.Request().Context(), peer.Owner(anybody.Scope, c.RealIP()))
}

func unavailable(err error) error {
	return httperr.OfLog(err)
}

// look answers with the addresses of a room. DriftDB's client takes all JSON for a room, whatever the status: what is no
// room is answered as text, or the client goes on with a room of the name "undefined".
func (h *Handler) look(c echo.Context) error {
	httperr.PlainText(c)
	id := strings.Clone(c.Param("room")) // not a part of the request, which it would keep
	if err := h.find(c, id); err != nil {
		return err
	}
	h.leave(id)
	return c.JSON(http.StatusOK, h.object(c, id))
}

// address is a room as clients take it.
type address struct {
	Room   string `json:"room"`
	Socket string `json:"socket_url"`
	HTTP   string `json:"http_url"`
}

// object builds addresses from the request's own. What a proxy says of scheme and prefix is believed from those of
// the settings only.
func (h *Handler) object(c echo.Context, id string) *address {
	r := c.Request()
	secure, prefix := r.TLS != nil, h.o.TrustedProxies.Prefix(r)
	if proto := r.Header.Get(echo.HeaderXForwardedProto); proto != "" && h.o.TrustedProxies.Sent(r) {
		secure = proto == "https"
	}
	s := ""
	if secure {
		s = "s"
	}
	path := "://" + r.Host + prefix + "/room/" + id
	return &address{Room: id, Socket: "ws" + s + path + "/connect", HTTP: "http" + s + path + "/send"}
}

// publish stores a push that the room's budget has let in, and returns how many entries its key has then. The error is
// for the client.
func (h *Handler) publish(ctx context.Context, id string, m *message) (at uint64, size int, err error) {
	if !h.o.Traffic.EnterPublish() {
		return 0, 0, traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	r := &eventlog.Request{Events: []eventlog.Event{m.event(space(id))}, Bound: &h.o.Bound}
	at, err = h.o.Broker.Publish(ctx, r)
	var over *eventlog.BoundError
	switch {
	case errors.As(err, &over) && over.What == "keys":
		return 0, 0, httperr.New(http.StatusRequestEntityTooLarge, httperr.RoomFull, "the room has its %d keys (MAX_ROOM_KEYS)", over.Most)
	case errors.As(err, &over):
		return 0, 0, httperr.New(http.StatusRequestEntityTooLarge, httperr.RoomFull, "the room would hold more than %d bytes (MAX_ROOM_BYTES); compact or replace what it has", over.Most)
	case errors.Is(err, eventlog.ErrSeq):
		return 0, 0, httperr.New(http.StatusUnprocessableEntity, httperr.BadEvent, "%v", err)
	case err != nil:
		return 0, 0, unavailable(err)
	}
	return at, r.Sizes[0], nil
}
