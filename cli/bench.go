package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/load"
)

// Bench measures a gateway, or anything else that takes events by POST and sends Server-Sent Events.
type Bench struct {
	access
	gatewayURL
	load.Options
	Server string // wins over URL
}

func benchCommand(std *Streams) *cobra.Command {
	c := &Bench{}
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Put load on a gateway on this machine, check every event, and measure.",
		Example: "  SLUICE_KEY=… sluice bench -n 1000 -e 2000 -r 20 --pid $(pgrep -n sluice)",
		Long:    "The server must be on this machine.\n\nEvery subscriber's events are checked: one lost, repeated, out of order or of another channel makes the exit code 1. Linux only, and only to loopback addresses.",
		Args:    checkArguments, Annotations: map[string]string{olderArgument: "[SERVER]"},
		RunE: func(_ *cobra.Command, args []string) error {
			c.Server = argument(args, 0)
			return c.Run(std)
		},
	}
	addFlags(cmd.Flags(), "Subscribers", c.subscriberFlags)
	addFlags(cmd.Flags(), "Events", c.eventFlags)
	addFlags(cmd.Flags(), "Measurement", func(f *pflag.FlagSet) {
		c.measurementFlags(f)
		std.jsonVar(f, "Print the report as JSON.")
	})
	addFlags(cmd.Flags(), "Requests, to measure other servers and doors", c.requestFlags)
	addFlags(cmd.Flags(), "TLS and HTTP/2", c.transportFlags)
	addFlags(cmd.Flags(), "WebSockets", c.webSocketFlags)
	addFlags(cmd.Flags(), "Gateway", func(f *pflag.FlagSet) {
		c.gatewayURL.flags(f)
		c.access.flags(f)
	})
	return cmd
}

func (c *Bench) subscriberFlags(f *pflag.FlagSet) {
	f.IntVarP(&c.Subscribers, "subscribers", "n", 100, "`N` connections read.")
	f.IntVar(&c.Channels, "channels", 1, "The subscribers are spread over `N` channels.")
	f.IntVar(&c.Stalled, "stalled", 0, "`N` subscribers read nothing until everything is published.")
	f.IntVar(&c.Resume, "resume", 0, "The subscribers begin `N` events back.")
	f.IntVar(&c.Read, "read", 0, "The subscribers read `N` events from the log; use a --subscribe path that ends, and -e 0.")
	f.IntVar(&c.Among, "among", 0, "With --read: put `N` other events between these in the log.")
}

func (c *Bench) eventFlags(f *pflag.FlagSet) {
	f.IntVarP(&c.Events, "events", "e", 1000, "Publish `N` events.")
	f.Float64VarP(&c.Rate, "rate", "r", 0, "Publish `N` events a second; default: as fast as the answers come.")
	f.IntVarP(&c.Publishers, "publishers", "p", 1, "`N` connections publish, each waiting for its answers.")
	f.IntVar(&c.Batch, "batch", 1, "Put `N` events in a request.")
	f.IntVar(&c.Size, "size", 200, "An event's payload has `N` bytes.")
	f.IntVar(&c.To, "to", 0, "Publish to `N` of the channels only.")
}

func (c *Bench) measurementFlags(f *pflag.FlagSet) {
	f.DurationVar(&c.Hold, "hold", 0, "Wait this `DURATION` after all have connected, before memory is measured.")
	f.DurationVar(&c.Wait, "wait", 10*time.Second, "Give up when nothing has arrived for this `DURATION`.")
	f.IntSliceVar(&c.PIDs, "pid", nil, "The server's processes: `PID,...`; their CPU and memory are read from /proc.")
}

func (c *Bench) requestFlags(f *pflag.FlagSet) {
	f.StringVar(&c.Options.Subscribe, "subscribe", "/realtime?channels=bench-{channel}", "The `PATH` to subscribe at; {channel} and {i}, the subscriber's number, are filled in, and {room}, a room that is made for the channel.")
	f.StringVar(&c.PublishAt, "publish-at", "", "Publish at this `URL`, such as that of another gateway of the cluster.")
	f.StringVar(&c.Publish, "publish", "/realtime", "The `PATH` to publish to; {channel}, {room} and {n}, the event's number in nine digits, are filled in.")
	f.StringVar(&c.Method, "method", "POST", "The `METHOD` of a publish.")
	f.StringVar(&c.Body, "body", `{"event":"bench-{channel}","data":"{payload}"}`, "One event as `TEXT`; an empty one makes requests without a body, which measures reading with -n 0 --method GET.")
	f.StringVar(&c.ContentType, "content-type", "application/json", "The `TYPE` of a publish.")
	f.StringArrayVarP(&c.Headers, "header", "H", nil, "A `HEADER` of every request, as 'name: value'; {token} in it is a token signed for the subscriber; in a publish {n} is filled in, and {run}, which is new for each run.")
	environmentVar(f, &c.JWTSecret, "jwt-secret", "JWT_SECRET", "The `SECRET` that signs {token}.")
	f.StringVar(&c.JWTSub, "jwt-sub", "bench-{channel}", "A token may subscribe to this `PATTERN`.")
	f.StringVar(&c.Ready, "ready", "", "Count a subscriber as connected once this `TEXT` has arrived.")
	f.StringVar(&c.Count, "count", "", "Each `TEXT` that arrives is counted as an event, for what arrives without the payload: one publisher, one channel.")
}

func (c *Bench) transportFlags(f *pflag.FlagSet) {
	f.StringVar(&c.CA, "ca", "", "With https: trust the certificates (PEM) in this `FILE` instead of the system's.")
	f.BoolVar(&c.Insecure, "insecure", false, "With https: trust any certificate. The server is on this machine.")
	f.IntVar(&c.HTTP2, "http2", 0, "With https: the subscribers use HTTP/2, with `N` streams a connection. Publishers use HTTP/1.1.")
}

func (c *Bench) webSocketFlags(f *pflag.FlagSet) {
	f.BoolVar(&c.WebSocket, "websocket", false, "The subscribers read WebSockets.")
	f.StringArrayVar(&c.Say, "say", nil, "A `MESSAGE` that each subscriber sends once its WebSocket is open, as often as there are messages; {i}, {channel} and {token} are filled in.")
}

// Run makes the load and prints the report.
func (c *Bench) Run(std *Streams) error {
	target, err := c.base(c.Server)
	if err != nil {
		return err
	}
	credential, err := c.credential()
	if err != nil {
		return err
	}
	if credential != "" {
		name := "x-apikey: "
		if strings.Count(credential, ".") == 2 {
			name = "Authorization: Bearer "
		}
		c.Headers = append(c.Headers, name+credential)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := newProgress(std.Err)
	c.Target, c.Progress = target, show.line
	report, err := load.Run(ctx, c.Options)
	show.clear()
	if report == nil {
		return err
	}
	if perr := printReport(std, report); perr != nil && err == nil {
		return perr
	}
	return err
}

func printReport(std *Streams, report *load.Report) error {
	if !std.JSON {
		return report.Table(std.Out)
	}
	e := json.NewEncoder(std.Out)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
