package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sluice/load"
)

// Bench measures a gateway, or anything else that takes events by POST and sends Server-Sent Events.
type Bench struct {
	access
	gatewayURL
	Subscribers int           `short:"n" default:"100" help:"Connections that read."`
	Channels    int           `default:"1" help:"Channels that the subscribers are spread over."`
	To          int           `help:"Publish to this many of the channels only."`
	Stalled     int           `help:"This many subscribers read nothing until everything is published."`
	Events      int           `short:"e" default:"1000" help:"Events to publish."`
	Rate        float64       `short:"r" help:"Events a second; default: as fast as the answers come."`
	Publishers  int           `short:"p" default:"1" help:"Connections that publish, each waiting for its answers."`
	Batch       int           `default:"1" help:"Events in a request."`
	Size        int           `default:"200" help:"Bytes of an event's payload."`
	Resume      int           `help:"The subscribers begin this many events back."`
	Read        int           `help:"The subscribers read this many events from the log; use a --subscribe path that ends, and -e 0."`
	Among       int           `help:"With --read: put this many other events between these in the log."`
	Hold        time.Duration `help:"Wait this long after all have connected, before memory is measured."`
	Wait        time.Duration `default:"10s" help:"Give up when nothing has arrived for this long."`
	PID         []int         `name:"pid" help:"The server's processes: their CPU and memory are read from /proc."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`

	CA          string   `name:"ca" type:"path" help:"Trust the certificates in this file (PEM) instead of the system's, for https."`
	Insecure    bool     `help:"Trust any certificate. The server is on this machine."`
	HTTP2       int      `name:"http2" help:"The subscribers use HTTP/2, with this many streams a connection; needs https. Publishers use HTTP/1.1."`
	WebSocket   bool     `name:"websocket" help:"The subscribers read WebSockets."`
	Say         []string `sep:"none" help:"A message that each subscriber sends once its WebSocket is open, as often as there are messages; {i}, {channel} and {token} are filled in."`
	Ready       string   `help:"Count a subscriber as connected once this text has arrived."`
	Count       string   `help:"Count each of these texts as an event, for what arrives without the payload: one publisher, one channel."`
	Header      []string `short:"H" help:"A header of every request, as 'name: value'; {token} in it is a token signed for the subscriber; {run} and {n} are filled in for a publish."`
	Subscribe   string   `default:"/realtime?channels=bench-{channel}" help:"Path to subscribe at; {channel} and {i}, the subscriber's number, are filled in, and {room}, a room that is made for the channel."`
	Method      string   `default:"POST" help:"Of a publish."`
	Publish     string   `default:"/realtime" help:"Path to publish to; {channel}, {room} and {n}, the event's number in nine digits, are filled in."`
	Body        string   `default:"{\"event\":\"bench-{channel}\",\"data\":\"{payload}\"}" help:"One event; an empty one makes requests without a body, which measures reading with -n 0 --method GET."`
	ContentType string   `default:"application/json" help:"Of a publish."`
	JWTSecret   string   `name:"jwt-secret" env:"JWT_SECRET" help:"Signs {token}."`
	JWTSub      string   `name:"jwt-sub" default:"bench-{channel}" help:"What a token may subscribe to."`

	Server string `arg:"" optional:"" help:"The server, as --url; it must be on this machine."`
}

// Help is shown by sluice bench --help.
func (*Bench) Help() string {
	return "Example:\n\n  SLUICE_KEY=… sluice bench -n 1000 -e 2000 -r 20 --pid $(pgrep -n sluice)\n\nEvery subscriber's events are checked: one lost, repeated, out of order or of another channel makes the exit code 1. Linux only, and only to loopback addresses."
}

// Run makes the load and prints the report.
func (c *Bench) Run(std *Streams) error {
	target, err := c.base(c.Server)
	if err != nil {
		return err
	}
	headers := c.Header
	if credential, err := c.credential(); err == nil && credential != "" {
		name := "x-apikey: "
		if strings.Count(credential, ".") == 2 {
			name = "Authorization: Bearer "
		}
		headers = append(headers, name+credential)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := newProgress(std.Err)
	report, err := load.Run(ctx, load.Options{
		Target: target, Subscribe: c.Subscribe, Method: c.Method, Publish: c.Publish, Headers: headers, Body: c.Body, ContentType: c.ContentType,
		CA: c.CA, Insecure: c.Insecure, HTTP2: c.HTTP2, WebSocket: c.WebSocket, Say: c.Say, Ready: c.Ready, Count: c.Count, JWTSecret: c.JWTSecret, JWTSub: c.JWTSub,
		Subscribers: c.Subscribers, Channels: c.Channels, To: c.To, Stalled: c.Stalled,
		Events: c.Events, Publishers: c.Publishers, Batch: c.Batch, Rate: c.Rate, Size: c.Size, Resume: c.Resume, Read: c.Read, Among: c.Among,
		Hold: c.Hold, Wait: c.Wait, PIDs: c.PID, Progress: show.line,
	})
	show.clear()
	if report == nil {
		return err
	}
	if perr := c.print(std.Out, report); perr != nil && err == nil {
		return perr
	}
	return err
}

func (c *Bench) print(w io.Writer, report *load.Report) error {
	if !c.JSON {
		return report.Table(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
