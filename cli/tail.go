package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/client"
)

// Tail prints events for people, as they arrive.
type Tail struct {
	access
	gatewayURL
	Channels, Types []string
	Stream, Since   string
	Until           string
	Limit           int
	Pretty, IDs     bool
	UTC             bool
	Color           string
}

func tailCommand(std *Streams) *cobra.Command {
	c := &Tail{}
	cmd := &cobra.Command{
		Use:   "tail [PATTERN...]",
		Short: "Show events as they arrive, for people: the time, the channel and the data, in colours.",
		Example: "  SLUICE_KEY=… sluice tail\n" +
			"  SLUICE_KEY=… sluice tail 'PUT:*' 'chat-*' --since 10m --pretty",
		Long: "PATTERN is a channel to show, such as PUT:customer or chat-*; without one, all that the key may subscribe to are shown.\n\n" +
			"It reconnects and resumes by itself, and shows where events are missing. It ends with 1 when the gateway refuses the credential. " +
			"Control characters in the data are shown as escapes. The output is for people and may change; programs use sluice subscribe, or --json.",
		Args: checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Channels = append(args, c.Channels...)
			return c.Run(std)
		},
		ValidArgsFunction: completeChannels,
	}
	addFlags(cmd.Flags(), "Which events", func(f *pflag.FlagSet) {
		listVar(f, &c.Channels, "channels", "Only these channels, as the arguments: `PATTERN,...`")
		listVar(f, &c.Types, "types", "Only events with these names: `NAME,...`")
		f.StringVarP(&c.Stream, "stream", "s", "", "Only entries of the stream `NAME`, from its beginning unless --since says otherwise.")
		f.StringVar(&c.Since, "since", "", "Show the past first, from a `POSITION` on: a time ago (10m), a time (RFC 3339), an id, earliest, or -N for the last N.")
		f.StringVar(&c.Until, "until", "", "End just before the `POSITION`; caught-up ends once the past is shown.")
		f.IntVar(&c.Limit, "limit", 0, "End after `N` events.")
	})
	addFlags(cmd.Flags(), "Output", func(f *pflag.FlagSet) {
		f.BoolVarP(&c.Pretty, "pretty", "p", false, "Show data over several lines, with indents.")
		f.BoolVar(&c.IDs, "ids", false, "Show the id of each event, too.")
		f.BoolVar(&c.UTC, "utc", false, "Show times in UTC instead of the local zone.")
		f.StringVar(&c.Color, "color", colorAuto, "`WHEN` to use colours: auto (on a terminal, unless NO_COLOR is set), always or never.")
		std.jsonVar(f, "Print NDJSON, as sluice subscribe --json does.")
	})
	addFlags(cmd.Flags(), "Gateway", func(f *pflag.FlagSet) {
		c.gatewayURL.flags(f)
		c.access.flags(f)
	})
	return cmd
}

// from turns --since into a position for the gateway. It refuses what is none here: the gateway would name its own parameter,
// and it knows no time ago.
func (c *Tail) from(now time.Time) (string, error) {
	if ago, err := time.ParseDuration(c.Since); err == nil && ago > 0 {
		return now.Add(-ago).UTC().Format(time.RFC3339Nano), nil
	}
	_, notTime := time.Parse(time.RFC3339Nano, c.Since)
	if notTime != nil && !otherPosition.MatchString(c.Since) {
		return "", usageError{fmt.Errorf("--since=%s: must be a time ago such as 10m or 24h, a time such as 2026-11-20T13:22:01Z, an id, earliest, now, or -N for the last N events", c.Since)}
	}
	return c.Since, nil
}

// otherPosition matches the positions that are no time, and "" for none.
var otherPosition = regexp.MustCompile(`^(-?[0-9]{1,16}|earliest|now|past-events|)$`)

// history is the part of the log to show. The gateway begins at the earliest event when it is asked for anything of the past,
// also for some types only; people who follow a log want what comes, unless they ask for more.
func (c *Tail) history() (client.History, error) {
	from, err := c.from(time.Now())
	h := client.History{Stream: c.Stream, From: from, Until: c.Until, Types: c.Types, Limit: c.Limit}
	if h.From == "" && h.Stream == "" && h.Until == "" && (len(h.Types) > 0 || h.Limit > 0) {
		h.From = "now"
	}
	return h, err
}

// Run shows events until it is interrupted, the range is over, or the gateway refuses for good.
func (c *Tail) Run(std *Streams) error {
	if err := checkColor(c.Color); err != nil {
		return err
	}
	history, err := c.history()
	if err != nil {
		return err
	}
	base, err := c.base("")
	if err != nil {
		return err
	}
	credential, err := c.credential()
	if err != nil {
		return err
	}
	say := &said{std: std, paint: paint(useColors(c.Color, std.Err)), base: base}
	cl, err := client.New(base, client.Options{
		Credential: credential, Channels: c.Channels,
		History: history,
		Notify:  func(cause error, delay time.Duration) { say.lost(c.explain(base, cause), delay) },
	})
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	printer := &eventPrinter{w: std.Out, paint: paint(useColors(c.Color, std.Out)), pretty: c.Pretty, ids: c.IDs, zone: time.Local}
	if c.UTC {
		printer.zone = time.UTC
	}
	err = cl.Subscribe(ctx, func(e client.Event) error {
		if std.JSON {
			return printJSON(std.Out, e)
		}
		say.frame(&e)
		return printer.print(e)
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return c.explain(base, err)
}

// said is what tail says of the connection, on standard error: with standard output alone, the events are left.
type said struct {
	std   *Streams
	paint paint
	base  string
	lose  bool // the connection was lost
}

// lost reports a lost connection. An explanation is long, so it comes once until there is a connection again.
func (s *said) lost(cause error, delay time.Duration) {
	if s.lose && !s.std.JSON {
		return
	}
	s.lose = true
	if s.std.JSON {
		s.std.note("%v; coming back in %s", cause, delay.Round(time.Millisecond))
		return
	}
	s.line(styleNote, fmt.Sprintf("%v; trying until it is there", cause))
}

// frame reports what a frame says of the connection.
func (s *said) frame(e *client.Event) {
	switch e.Name {
	case client.Init:
		if s.lose || isTerminal(s.std.Err) {
			s.line(styleDim, "connected to "+s.base)
		}
		s.lose = false
	case client.Live:
		s.line(styleDim, "the past is over; live from here")
	case client.Expired:
		s.line(styleNote, "the credential has ended: "+reasonOf(e))
	case client.Busy:
		s.line(styleNote, "the gateway cannot serve now")
	}
}

func (s *said) line(style, text string) {
	fmt.Fprintln(s.std.Err, s.paint.in(style, "-- "+strings.ReplaceAll(harmless(text), "\n", "\n   ")))
}
