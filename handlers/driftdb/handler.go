package driftdb

import (
	"context"
	"errors"
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
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
)

// Create says who may make rooms.
type Create string

// The values of Create.
const (
	Nobody   Create = "off"
	Anybody  Create = "open"
	KeysOnly Create = "key"
)

// Options are values from the settings, and the parts of the gateway that the door uses.
type Options struct {
	Auth           *auth.Authenticator
	Broker         *broker.Broker
	Traffic        *traffic.Traffic
	Logger         *slog.Logger
	Create         Create
	Retention      time.Duration // a room without messages for this time is dropped
	Unused         time.Duration // a room that never had a push is dropped once it was empty for this time
	Unread         int64         // bytes of answers that clients have not read yet; 0: 32 times Bound.Bytes
	Bound          eventlog.Bound
	Limits         rooms.Limits
	PingInterval   time.Duration
	WriteTimeout   time.Duration
	Shards         int // as in writers.Config
	ReadTimeout    time.Duration
	MaxBody        int64
	TrustedProxies peer.Proxies
	Peers          Peers // nil if the gateway is alone
}

// Handler serves the door.
type Handler struct {
	o       Options
	writers *writers.Writers
	rooms   *rooms.Rooms
	streams traffic.Opener
	sockets writers.SocketOptions
	quit    chan struct{}
	group   sync.WaitGroup
	large   *share.Slots // turns to decode large frames of CBOR
	unread  *unread
}

// New makes the handler and starts its background work. Close ends that.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, quit: make(chan struct{}), large: share.NewSlots(runtime.GOMAXPROCS(0), math.MaxInt)}
	h.streams = traffic.Opener{Door: doorName, Kind: traffic.KindRoomStream, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger}
	h.sockets = writers.SocketOptions{Ping: pingEvery, ReadTimeout: o.ReadTimeout, SkipLong: true}
	h.unread = newUnread(o.Bound.Bytes, o.Unread)
	var err error
	if h.rooms, err = rooms.Open(rooms.Options{Log: o.Broker.Log(), Logger: o.Logger, Retention: o.Retention, Unused: o.Unused, Limits: o.Limits}); err != nil {
		return nil, err
	}
	if err := h.servePresence(); err != nil {
		h.rooms.Close()
		return nil, err
	}
	h.writers, err = writers.New(writers.Config{
		Broker: o.Broker, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
	})
	if err != nil {
		h.rooms.Close()
		return nil, err
	}
	h.group.Go(func() { h.unread.keep(h.quit, o.Logger) })
	return h, nil
}

// Close ends the background work that New started.
func (h *Handler) Close() error {
	close(h.quit)
	h.group.Wait()
	h.rooms.Close()
	h.writers.Close()
	return nil
}

// Model returns the rooms, for the administrator.
func (h *Handler) Model() *rooms.Rooms { return h.rooms }

// Rooms returns the number of rooms.
func (h *Handler) Rooms() int { return h.rooms.Count() }

const connectPath = "/room/:room/connect"

const doorName = "rooms"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	e.POST("/new", h.create)
	e.GET("/room/:room", h.getRoom)
	e.GET(connectPath, h.connect)
	e.POST("/room/:room/send", h.send)
	e.GET("/room/:room/events", h.events)
	e.GET("/room/:room/presence", h.presence)
}

// CORS returns the rules for pages of other origins.
func (h *Handler) CORS() []cors.Rule {
	var rules []cors.Rule
	for _, path := range []string{"/new", "/room"} {
		rules = append(rules, cors.Rule{Path: path, Methods: "GET, POST", Headers: []string{echo.HeaderAccept}})
	}
	return rules
}

// anybody is the identity of every client of a room: the room's id is the only secret.
var anybody = &auth.Identity{Name: "room", Kind: "room"}

// charged returns the request's context, with its work charged to the address, since a room needs no credential.
func charged(c echo.Context) context.Context {
	return share.WithSender(c.Request().Context(), peer.Owner(anybody.Scope, c.RealIP()), traffic.SenderOf(c, doorName, anybody))
}

// getRoom answers with the addresses of a room. DriftDB's client reads any JSON as a room, whatever the status. So errors are
// sent as plain text; otherwise the client would continue with a room named "undefined".
func (h *Handler) getRoom(c echo.Context) error {
	httperr.PlainText(c)
	id := strings.Clone(c.Param("room")) // a substring would keep the request in memory
	if err := h.find(c, id); err != nil {
		return err
	}
	h.rooms.Leave(id)
	return c.JSON(http.StatusOK, h.object(c, id))
}

// address is the JSON with a room's addresses that clients expect.
type address struct {
	Room   string `json:"room"`
	Socket string `json:"socket_url"`
	HTTP   string `json:"http_url"`
}

// object builds a room's addresses from the address of the request. It uses a proxy's headers for the scheme and the prefix
// only if the settings trust that proxy.
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

// publish stores a push that the room's rates have admitted. It returns the push's position, and the number of entries that
// the key has after it. The error is the answer for the client.
func (h *Handler) publish(ctx context.Context, id string, m *message) (at uint64, size int, err error) {
	if !h.o.Traffic.EnterPublish() {
		return 0, 0, traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	r := &eventlog.Request{Events: []eventlog.Event{m.event(rooms.Space(id))}, Bound: &h.o.Bound}
	at, err = h.o.Broker.Log().Append(ctx, r)
	var over *eventlog.BoundError
	switch {
	case errors.As(err, &over) && over.What == eventlog.BoundedKeys:
		return 0, 0, httperr.New(http.StatusRequestEntityTooLarge, httperr.RoomFull, "the room already has %d keys, the most that it may have (MAX_ROOM_KEYS)", over.Most)
	case errors.As(err, &over):
		return 0, 0, httperr.New(http.StatusRequestEntityTooLarge, httperr.RoomFull, "the room would hold more than %d bytes (MAX_ROOM_BYTES); compact or replace some of it", over.Most)
	case errors.Is(err, eventlog.ErrNoSpace): // it was dropped, by another process or while the push waited
		return 0, 0, rooms.ErrNoRoom
	case errors.Is(err, eventlog.ErrSeq):
		return 0, 0, httperr.New(http.StatusUnprocessableEntity, httperr.BadEvent, "%v", err)
	case err != nil:
		return 0, 0, httperr.OfLog(err)
	}
	return at, r.Sizes[0], nil
}
