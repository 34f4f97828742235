package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/broker/sse"
	"sluice/client"
)

// Subscribe prints a stream.
type Subscribe struct {
	access
	gatewayURL
	Channels, Types []string
	Stream          string
	LastEventID     string
	From, After     string
	To, Until       string
	Limit           int
	Gateway         string // wins over URL
}

func subscribeCommand(std *Streams) *cobra.Command {
	c := &Subscribe{}
	cmd := &cobra.Command{
		Use:   "subscribe",
		Short: "Print a stream as it arrives, for programs; resume after every broken connection.",
		Example: "  SLUICE_KEY=… sluice subscribe --channels PUT:customer,boing --json\n" +
			"  SLUICE_KEY=… sluice subscribe --stream orders --from earliest --until caught-up --json --url http://127.0.0.1:8080",
		Long: "It reconnects and resumes by itself, and ends with 1 when the gateway refuses the credential. For people there is sluice tail.",
		Args: checkArguments, Annotations: olderGateway,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Gateway = argument(args, 0)
			return c.Run(std)
		},
	}
	addFlags(cmd.Flags(), "Which events", func(f *pflag.FlagSet) {
		listVar(f, &c.Channels, "channels", "Only these channels: `PATTERN,...`, as PUT:customer,chat-*.")
		listVar(f, &c.Types, "types", "Only events with these names: `NAME,...`")
		f.StringVarP(&c.Stream, "stream", "s", "", "Only entries of the stream `NAME`, from its beginning.")
	})
	addFlags(cmd.Flags(), "Which part of the log", func(f *pflag.FlagSet) {
		f.StringVar(&c.From, "from", "", "Begin at the `POSITION`: an id, a time (RFC 3339), earliest, now, or -N for the last N.")
		f.StringVar(&c.After, "after", "", "Begin just after the `POSITION`.")
		f.StringVar(&c.To, "to", "", "End with the `POSITION`: an id or a time.")
		f.StringVar(&c.Until, "until", "", "End just before the `POSITION`; caught-up ends once the past is read.")
		f.IntVar(&c.Limit, "limit", 0, "End after `N` events.")
		f.StringVar(&c.LastEventID, "last-event-id", "", "Resume after this `ID`.")
	})
	addFlags(cmd.Flags(), "Output", func(f *pflag.FlagSet) {
		std.jsonVar(f, "Print NDJSON as /realtime sends it: one JSON object on each line, events and gaps only.")
	})
	addFlags(cmd.Flags(), "Gateway", func(f *pflag.FlagSet) {
		c.gatewayURL.flags(f)
		c.access.flags(f)
	})
	return cmd
}

// Run prints frames until it is interrupted, or the gateway refuses for good.
func (c *Subscribe) Run(std *Streams) error {
	base, err := c.base(c.Gateway)
	if err != nil {
		return err
	}
	credential, err := c.credential()
	if err != nil {
		return err
	}
	cl, err := client.New(base, client.Options{
		Credential: credential, Channels: c.Channels, LastEventID: c.LastEventID,
		History: client.History{Stream: c.Stream, From: c.From, After: c.After, To: c.To, Until: c.Until, Types: c.Types, Limit: c.Limit},
		Notify: func(cause error, delay time.Duration) {
			std.note("%v; coming back in %s", c.explain(base, cause), delay.Round(time.Millisecond))
		},
	})
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	past := newPastProgress(std)
	past.over = c.Stream == "" && c.From == "" && c.After == "" && c.To == "" && c.Until == "" && len(c.Types) == 0 && c.Limit == 0
	defer past.line.clear()
	err = cl.Subscribe(ctx, func(e client.Event) error {
		past.see(e)
		if std.JSON {
			return printJSON(std.Out, e)
		}
		return printFrame(std.Out, e, isTerminal(std.Out))
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return c.explain(base, err)
}

// printFrame prints a frame as the gateway sends it; on a terminal, without what could change the terminal.
func printFrame(w io.Writer, e client.Event, terminal bool) error {
	if terminal {
		e.Data = harmless(e.Data)
	}
	var b strings.Builder
	if e.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", e.ID)
	}
	if e.Name != "" {
		fmt.Fprintf(&b, "event: %s\n", e.Name)
	}
	for line := range strings.SplitSeq(e.Data, "\n") {
		fmt.Fprintf(&b, "data: %s\n", line)
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// printJSON prints an event or a gap as the line of NDJSON that the gateway would send, and ignores other frames.
func printJSON(w io.Writer, e client.Event) error {
	if e.Name == client.Gap {
		_, err := io.WriteString(w, e.Data+"\n")
		return err
	}
	if !e.Published() {
		return nil
	}
	var event struct {
		Event, Collection, Stream string
		Data                      json.RawMessage
	}
	id, err := strconv.ParseUint(e.ID, 10, 64)
	if err == nil {
		err = json.Unmarshal([]byte(e.Data), &event)
	}
	if err != nil {
		return fmt.Errorf("the event %q is not from a gateway: %w", e.ID, err)
	}
	_, err = w.Write(sse.AppendLine(nil, &sse.Published{ID: id, Time: int64(id), Name: event.Event, Collection: event.Collection, Stream: event.Stream, Data: event.Data}))
	return err
}
