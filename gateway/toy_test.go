package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/channel"
	"sluice/gateway"
	"sluice/handlers"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
)

// The toy door is the example of ARCHITECTURE.md: GET /toy/CHANNEL streams a channel as lines of NDJSON. It is whole: copy it
// to begin a door. A real door has this in a folder of its own below handlers/, and openToy in gateway/doors.go.

const toyName = "toy" // doorName in a door's package

// toyOptions are values from the settings, and the parts of the gateway that the door uses.
type toyOptions struct {
	Auth         *auth.Authenticator
	Broker       *broker.Broker
	Traffic      *traffic.Traffic
	Logger       *slog.Logger
	PingInterval time.Duration
	WriteTimeout time.Duration
	Shards       int // as in writers.Config
}

type toy struct {
	o       toyOptions
	writers *writers.Writers
	streams traffic.Opener
}

// openToy is what a line of doors in gateway/doors.go names. There it is a method of Gateway, and the options come from
// g.cfg and g.o.
func openToy(g *gateway.Gateway, shards int) (handlers.Door, error) {
	return newToy(toyOptions{
		Auth: g.Auth, Broker: g.Broker, Traffic: g.Traffic, Logger: slog.New(slog.DiscardHandler),
		PingInterval: time.Minute, WriteTimeout: time.Minute, Shards: shards,
	})
}

// newToy makes the door. Close ends it.
func newToy(o toyOptions) (*toy, error) {
	w, err := writers.New(writers.Config{
		Broker: o.Broker, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
	})
	if err != nil {
		return nil, err
	}
	return &toy{o, w, traffic.Opener{Door: toyName, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger}}, nil
}

func (*toy) Name() string { return toyName }

func (d *toy) Register(e *echo.Echo) { e.GET("/toy/:channel", d.stream) } // HEAD comes with it

func (*toy) CORS() []cors.Rule {
	return []cors.Rule{{Path: "/toy", Methods: "GET, HEAD", Headers: []string{"X-Toy"}, Exposed: []string{"X-Squeak"}}}
}

// Close cuts the streams that Drain has not ended.
func (d *toy) Close() error {
	d.writers.Close()
	return nil
}

func (d *toy) stream(c echo.Context) error {
	who, err := d.identify(c)
	if err != nil {
		return err
	}
	granted, err := narrow(who, pathparam.Get(c, "channel"))
	if err != nil {
		return err
	}
	filter := broker.Filter{Channels: granted, Frames: sse.FramesLines, LastEventID: strings.Clone(c.Request().Header.Get("Last-Event-ID"))}
	lease := d.streams.Lease(c, who)
	defer lease.Close()
	if err := lease.Enter(); err != nil {
		return err
	}
	if err := lease.HoldFilter(&filter, traffic.FreeFilter); err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead { // the answer would never end
		writers.SetHeaders(c, writers.NDJSON, true)
		return c.NoContent(http.StatusOK)
	}
	lease.Notices = writers.Lines
	place, err := lease.SubscribeAt(d.writers, c, filter)
	if err != nil {
		return httperr.OfLog(err)
	}
	writers.SetHeaders(c, writers.NDJSON, true)
	lease.Serve(c, place) // the writer ends the stream when the credential ends, and when the gateway drains
	return nil
}

// identify returns who sent a request. A key may be for pages of some origins only.
func (d *toy) identify(c echo.Context) (*auth.Identity, error) {
	r := c.Request()
	who, bad := d.o.Auth.Authenticate(context.Background(), d.o.Auth.Carriers(r, c.QueryParams(), c.RealIP()))
	if bad != nil {
		return nil, bad
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return nil, httperr.ForeignOrigin()
	}
	return who, nil
}

// narrow returns the part of a grant that a client asks for.
func narrow(who *auth.Identity, name string) (channel.Set, error) {
	asked, err := channel.Parse(name)
	if err != nil {
		return channel.Set{}, httperr.New(http.StatusBadRequest, httperr.BadParameter, "the channel in the path: %v", err)
	}
	granted, err := who.Sub.Narrow([]channel.Pattern{asked})
	if err != nil {
		return channel.Set{}, httperr.New(http.StatusForbidden, httperr.Forbidden, "the channel in the path: %v", err)
	}
	return granted, nil
}
