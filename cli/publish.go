package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/client"
)

// Publish sends events.
type Publish struct {
	access
	gatewayURL
	Collection, Stream string
	IdempotencyKey     string
	NDJSON             bool
	Event, Data        string // Data may be - for standard input
}

func publishCommand(std *Streams) *cobra.Command {
	c := &Publish{}
	cmd := &cobra.Command{
		Use:     "publish EVENT [DATA]",
		Short:   "Publish events.",
		Example: "  SLUICE_KEY=… sluice publish put --collection customer '\"577cf185e2039b0900000016\"'\n  generate-lines | SLUICE_KEY=… sluice publish reading --ndjson",
		Long:    "EVENT is the event's name: put, post, delete, or any other. DATA is its data as JSON, or - for standard input.\n\nIt prints the ids, one a line.",
		Args:    checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Event, c.Data = args[0], argument(args, 1)
			return c.Run(std)
		},
		ValidArgsFunction: completeEvent,
	}
	addFlags(cmd.Flags(), "Event", func(f *pflag.FlagSet) {
		f.StringVarP(&c.Collection, "collection", "c", "", "The `COLLECTION` it is about.")
		f.StringVarP(&c.Stream, "stream", "s", "", "The stream it is an entry of, by `NAME`.")
		f.StringVar(&c.IdempotencyKey, "idempotency-key", "", "A repeat with the same `KEY` publishes nothing; by default the command makes one. Not with --ndjson.")
		f.BoolVar(&c.NDJSON, "ndjson", false, "Read many events from standard input: one event's data on each line.")
	})
	addFlags(cmd.Flags(), "Gateway", func(f *pflag.FlagSet) {
		c.gatewayURL.flags(f)
		c.access.flags(f)
	})
	std.jsonFlag(cmd.Flags())
	return cmd
}

// batchEvents and batchBytes keep a request under the gateway's bounds.
const (
	batchEvents = 500
	batchBytes  = 512 << 10
)

// Run publishes and prints the ids.
func (c *Publish) Run(std *Streams) error {
	base, err := c.base("")
	if err != nil {
		return err
	}
	credential, err := c.credential()
	if err != nil {
		return err
	}
	cl, err := client.New(base, client.Options{Credential: credential, Notify: func(cause error, delay time.Duration) {
		std.note("%v; trying again in %s", c.explain(base, cause), delay.Round(time.Millisecond))
	}})
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.NDJSON {
		return c.explain(base, c.many(ctx, cl, std))
	}
	data, err := c.data(std.In)
	if err != nil {
		return err
	}
	event, err := c.event(data)
	if err != nil {
		return err
	}
	return c.explain(base, send(ctx, cl, std, event, c.IdempotencyKey))
}

// send publishes and prints the ids. What is published stays so, even where nobody can be shown its id: so an error of
// printing is reported, and the others are not left out.
func send(ctx context.Context, cl *client.Client, std *Streams, body []byte, key string) error {
	ids, err := cl.PublishJSON(ctx, body, key)
	for _, id := range ids {
		err = errors.Join(err, std.result(published{id}, id+"\n"))
	}
	return err
}

// published is an event as --json prints it.
type published struct {
	ID string `json:"id"`
}

func (c *Publish) data(in io.Reader) ([]byte, error) {
	if c.Data != "-" {
		return []byte(c.Data), nil
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return text, nil
}

// event makes the object to send. It leaves the data unchanged, so that no number is rounded.
func (c *Publish) event(data []byte) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("null")
	}
	if !json.Valid(data) {
		return nil, usageError{fmt.Errorf("the data is not JSON; a text needs its own quotes, as in '\"%s\"'", "some text")}
	}
	b := []byte(`{"event":` + quote(c.Event))
	if c.Collection != "" {
		b = append(b, `,"collection":`+quote(c.Collection)...)
	}
	if c.Stream != "" {
		b = append(b, `,"stream":`+quote(c.Stream)...)
	}
	return append(append(append(b, `,"data":`...), data...), '}'), nil
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s)
	}
	return string(b)
}

// inputProgress reads standard input, and shows how much of it has been published.
type inputProgress struct {
	line   *progress
	in     io.Reader
	read   int64 // bytes
	total  int64 // bytes; 0: it is no file
	events int64
}

func newInputProgress(std *Streams) *inputProgress {
	p := &inputProgress{line: std.beside(), in: std.In}
	if file, ok := std.In.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			p.total = info.Size()
		}
	}
	return p
}

func (p *inputProgress) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	p.read += int64(n)
	return n, err
}

// add is called when n more events are published.
func (p *inputProgress) add(n int) {
	p.events += int64(n)
	took := time.Since(p.line.started)
	if took < progressAfter {
		return
	}
	text := fmt.Sprintf("%s events%s", count(p.events), pace(p.events, 0, took))
	if p.total > 0 {
		text = bar(min(1, float64(p.read)/float64(p.total))) + " " + text
		if left := float64(p.total-p.read) / float64(max(1, p.read)); left > 0 {
			text += ", " + age(time.Duration(float64(took)*left)) + " left"
		}
	}
	p.line.line(text)
}

// many sends the lines of standard input in batches.
func (c *Publish) many(ctx context.Context, cl *client.Client, std *Streams) error {
	if c.Data != "" && c.Data != "-" || c.IdempotencyKey != "" {
		return usageError{errors.New("--ndjson reads the data from standard input and makes keys of its own; leave out DATA and --idempotency-key")}
	}
	p := newInputProgress(std)
	defer p.line.clear()
	lines := bufio.NewScanner(p)
	lines.Buffer(nil, 16<<20)
	batch, n := []byte("["), 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		err := send(ctx, cl, std, append(batch, ']'), "")
		p.add(n)
		batch, n = []byte("["), 0
		return err
	}
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		event, err := c.event(lines.Bytes())
		if err != nil {
			return errors.Join(flush(), fmt.Errorf("line %d: %w", number, err))
		}
		if n == batchEvents || n > 0 && len(batch)+len(event) > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		if n++; n > 1 {
			batch = append(batch, ',')
		}
		batch = append(batch, event...)
	}
	return errors.Join(flush(), lines.Err())
}
