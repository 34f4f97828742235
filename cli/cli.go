package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments or the settings
)

// usageError is a fault of the arguments or the settings.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// grammar is the command line.
type grammar struct {
	Serve     Serve     `cmd:"" default:"1" help:"Run the gateway (what sluice alone does). Settings come from the environment and .env; see sluice config."`
	Subscribe Subscribe `cmd:"" help:"Print a stream as it comes, resuming through every cut."`
	Publish   Publish   `cmd:"" help:"Publish events."`
	Token     Token     `cmd:"" help:"Sign a token for development."`
	User      User      `cmd:"" help:"Add, list and remove the users of a running gateway."`
	Backup    Backup    `cmd:"" help:"Make a copy of a running gateway's store."`
	Bench     Bench     `cmd:"" help:"Put load on a gateway on this machine, check every event, and measure."`
	Config    Config    `cmd:"" help:"Print the settings in force, secrets masked."`
	Version   Version   `cmd:"" help:"Print the version."`
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
		kong.Description("A Server-Sent Events pub/sub gateway: servers POST events, browsers and programs receive them, and nothing is lost without a word."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Bind(std),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(errOut, "sluice:", err)
		return exitFailed
	}
	defer func() {
		// kong exits in the middle of parsing for --help; everything else is passed on.
		switch e := recover().(type) {
		case nil:
		case exited:
			code = int(e)
		default:
			panic(e)
		}
	}()
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(errOut, "sluice: %v\nTry: sluice --help\n", err)
		return exitUsage
	}
	return exitCode(ctx.Run(std), errOut)
}

func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(errOut, "sluice:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}
