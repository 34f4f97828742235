package cli

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"syscall"

	"time"

	"github.com/alecthomas/kong"

	"sluice/config"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	queues []*logQueue
}

// queue puts a queue before the gateway's output, so that the gateway never waits for the reader. With it, a closed
// pipe causes a write error and does not end the process. queue returns the queue of Err.
func (s *Streams) queue() *logQueue {
	signal.Ignore(syscall.SIGPIPE)
	out, logs := newLogQueue(s.Out), newLogQueue(s.Err)
	s.Out, s.Err, s.queues = out, logs, []*logQueue{out, logs}
	return logs
}

// flushTimeout bounds the time that the process waits, at its end, for the reader of its output.
const flushTimeout = time.Second

func (s *Streams) flush() {
	for _, q := range s.queues {
		q.Flush(flushTimeout)
	}
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments or the settings
)

// usageError is a fault in the arguments or the settings.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// grammar is the command line.
type grammar struct {
	Serve     Serve     `cmd:"" default:"withargs" help:"Run the gateway (what sluice alone does). Settings come from the environment and .env; see sluice config."`
	Subscribe Subscribe `cmd:"" help:"Print a stream as it arrives; resume after every broken connection."`
	Publish   Publish   `cmd:"" help:"Publish events."`
	Token     Token     `cmd:"" help:"Sign a token for development."`
	User      User      `cmd:"" help:"Add, list and remove the users of a running gateway."`
	Backup    Backup    `cmd:"" help:"Make a copy of a running gateway's store."`
	Log       Log       `cmd:"" help:"Check the log of a stopped gateway."`
	Cluster   Cluster   `cmd:"" help:"Make a cluster of gateways, and see how it is."`
	Bench     Bench     `cmd:"" help:"Put load on a gateway on this machine, check every event, and measure."`
	Config    Config    `cmd:"" help:"Print the settings in use, with secrets masked."`
	Health    Health    `cmd:"" help:"Ask a gateway if it is well."`
	Version   Version   `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// exited carries kong's own exits (--help) out of the parser.
type exited int

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) (code int) {
	var g grammar
	std := &Streams{In: in, Out: out, Err: errOut}
	parser, err := kong.New(&g,
		kong.Name("sluice"),
		kong.WithHyphenPrefixedParameters(true), // --from -5
		kong.Description("A Server-Sent Events pub/sub gateway: servers POST events, browsers and programs receive them, and no event is lost without a notice."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Bind(std),
		kong.Vars{"version": "sluice " + version()},
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(errOut, "sluice:", err)
		return exitFailed
	}
	defer func() {
		// For --help, kong exits in the middle of parsing. Every other panic goes on.
		switch e := recover().(type) {
		case nil:
		case exited:
			code = int(e)
		default:
			panic(e)
		}
	}()
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		var fault *kong.ParseError
		if errors.As(err, &fault) {
			ctx = fault.Context
		}
		return exitCode(usageError{err}, ctx, errOut)
	}
	defer std.flush()
	err = ctx.Run(std)
	return exitCode(err, ctx, std.Err)
}

// exitCode prints an error. If the arguments are wrong, it also prints how to get the command's help.
func exitCode(err error, ctx *kong.Context, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(errOut, "sluice:", err)
	if !errors.As(err, new(usageError)) {
		return exitFailed
	}
	if !errors.As(err, new(config.Faults)) {
		fmt.Fprintf(errOut, "Try: %s --help\n", command(ctx))
	}
	return exitUsage
}

// command returns the command that the arguments name, such as sluice user add.
func command(ctx *kong.Context) string {
	name := "sluice"
	if ctx == nil {
		return name
	}
	for _, p := range ctx.Path {
		if p.Command != nil && (p.Command.Name != "serve" || slices.Contains(ctx.Args, "serve")) { // serve is the default command
			name += " " + p.Command.Name
		}
	}
	return name
}
