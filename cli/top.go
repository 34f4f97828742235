package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/client"
)

// Top shows what a gateway does, live.
type Top struct {
	adminAPI
	Node  string
	Sort  string
	Color string
	Once  bool
}

func topCommand(std *Streams) *cobra.Command {
	c := &Top{}
	cmd := &cobra.Command{
		Use:     "top",
		Short:   "Watch a running gateway: connections, rates, lag, the slowest clients, memory and the log.",
		Example: "  ADMIN_KEY=… sluice top --url http://127.0.0.1:8080",
		Long: "On a terminal it is a page that changes each second. Keys: q ends, s sorts the clients by something else, p stops the page until p is pressed again. " +
			"Where the output is no terminal, it is a line each second; with --json an object each second.\n\n" +
			"In a cluster it shows the sums of all gateways; memory and the log are those of the one that answers.",
		Args: checkArguments,
		RunE: func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "What to show", func(f *pflag.FlagSet) {
		f.StringVar(&c.Node, "node", "", "In a cluster: only the gateway with this `NAME`.")
		f.StringVar(&c.Sort, "sort", sortNames[0], "Sort the clients by this `COLUMN`: "+strings.Join(sortNames, ", ")+".")
	})
	addFlags(cmd.Flags(), "Output", func(f *pflag.FlagSet) {
		f.BoolVar(&c.Once, "once", false, "Show the page once, as text, and end.")
		f.StringVar(&c.Color, "color", colorAuto, "`WHEN` to use colours: auto (on a terminal, unless NO_COLOR is set), always or never.")
		std.jsonVar(f, "Print NDJSON: one object each second, with the slowest clients.")
	})
	addFlags(cmd.Flags(), "Gateway", c.adminAPI.flags)
	return cmd
}

// withKey sends the administrator's key with each request.
type withKey struct{ key string }

func (w withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("x-apikey", w.key)
	return http.DefaultTransport.RoundTrip(r)
}

// Run shows the gateway until it is interrupted.
func (c *Top) Run(std *Streams) error {
	if !slices.Contains(sortNames, c.Sort) {
		return usageError{fmt.Errorf("--sort=%s: must be one of %s", c.Sort, strings.Join(sortNames, ", "))}
	}
	if err := checkColor(c.Color); err != nil {
		return err
	}
	base, err := c.base("")
	if err != nil {
		return err
	}
	key, err := c.needed()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := &watch{
		top: c, base: base, std: std, figures: make(chan figures), lists: make(chan clientList), wants: make(chan figures, 1),
		lost: make(chan error), keys: make(chan byte), sort: c.Sort,
	}
	show, done, err := c.shower(std, w)
	if err != nil {
		return err
	}
	defer done()
	return w.run(ctx, key, show)
}

// shower chooses how samples are shown. done gives the terminal back.
func (c *Top) shower(std *Streams, w *watch) (show func() error, done func(), err error) {
	nothing := func() {}
	switch {
	case std.JSON:
		return w.printJSON, nothing, nil
	case c.Once:
		w.paint = paint(useColors(c.Color, std.Out))
		return w.printPage, nothing, nil
	case isTerminal(std.Out) && useColors(colorAlways, std.Out) && os.Getenv("TERM") != "dumb":
		w.paint = paint(useColors(c.Color, std.Out))
		screen, err := openScreen(std, w.keys)
		if err != nil {
			return nil, nil, err
		}
		w.live = true
		return func() error { return screen.draw(w) }, screen.close, nil
	}
	return w.printPlain, nothing, nil
}

// watch is what top knows, and where it comes from.
type watch struct {
	top   *Top
	base  string
	std   *Streams
	paint paint

	figures chan figures
	wants   chan figures // the newest figures, for who lists the clients
	lists   chan clientList
	lost    chan error // why there is no connection
	keys    chan byte  // from the terminal

	before  figures
	now     sample
	has     bool // there is a sample
	clients []topClient
	listed  bool      // there is a list of clients
	history []float64 // events a second
	trouble error     // while there is no connection
	sort    string
	live    bool // on a terminal, where trouble is shown at its place
	paused  bool
}

// errQuit ends top.
var errQuit = errors.New("q was pressed")

// run follows the gateway and shows each sample.
func (w *watch) run(ctx context.Context, key string, show func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	cl, err := client.New(w.statsURL(), client.Options{HTTP: &http.Client{Transport: withKey{key}}, Notify: func(cause error, _ time.Duration) {
		select {
		case w.lost <- w.top.explain(w.base, cause):
		case <-ctx.Done():
		}
	}})
	if err != nil {
		return usageError{err}
	}
	ended := make(chan error, 1)
	group.Go(func() { ended <- cl.Subscribe(ctx, func(e client.Event) error { return w.take(ctx, e) }) })
	group.Go(func() { w.top.listClients(ctx, w.base, w.wants, w.lists) })
	for {
		changed, err := w.next(ctx, ended)
		if err == nil && changed && (w.has && w.listed || w.live) {
			err = show()
		}
		switch {
		case errors.Is(err, errQuit), errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return w.top.explain(w.base, err)
		}
	}
}

func (w *watch) statsURL() string {
	if w.top.Node == "" {
		return w.base + "/admin/stats"
	}
	return w.base + "/admin/stats?" + url.Values{"node": {w.top.Node}}.Encode()
}

// take passes on the figures of a frame.
func (w *watch) take(ctx context.Context, e client.Event) error {
	var f figures
	if err := json.Unmarshal([]byte(e.Data), &f); err != nil {
		return fmt.Errorf("%s did not send figures as a gateway does: %w", w.base, err)
	}
	f.whole()
	select {
	case w.figures <- f:
	case <-ctx.Done():
	}
	return nil
}

// next waits until there is something new to show, and reports whether to show it.
func (w *watch) next(ctx context.Context, ended <-chan error) (show bool, err error) {
	select {
	case <-ctx.Done():
		return false, errQuit
	case err := <-ended:
		return false, err
	case err := <-w.lost:
		if w.trouble == nil && !w.live {
			w.std.note("%v; trying until it is there", err)
		}
		w.trouble = err
		return w.live, nil
	case f := <-w.figures:
		w.trouble = nil
		return w.add(f), nil
	case l := <-w.lists:
		if l.err != nil {
			return false, nil // the stream of the figures reports what is wrong
		}
		first := !w.listed
		w.clients, w.listed = l.clients, true
		return first, nil
	case key := <-w.keys:
		return true, w.press(key)
	}
}

// add takes new figures, and reports whether there is a new sample.
func (w *watch) add(f figures) bool {
	select {
	case w.wants <- f:
	default: // the list is being read, or has figures that are new enough
	}
	s, ok := sampleOf(w.base, w.before, f)
	if w.before = f; !ok || w.paused {
		return false
	}
	w.now, w.has = s, true
	w.history = append(w.history, s.EventsRate)
	w.history = w.history[max(0, len(w.history)-historyMost):]
	return true
}

// historyMost is how many seconds the small curve has.
const historyMost = 60

// press does what a key of the terminal is for.
func (w *watch) press(key byte) error {
	switch key {
	case 'q', 'Q', 3, 4: // Ctrl-C and Ctrl-D
		return errQuit
	case 's':
		w.sort = sortNames[(slices.Index(sortNames, w.sort)+1)%len(sortNames)]
	case 'p', ' ':
		w.paused = !w.paused
	}
	return nil
}
