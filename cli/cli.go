package cli

import (
	"errors"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	JSON     bool // --json

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

// Exit codes, the same for all commands: docs/command-line.md has them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments or the settings
)

// ExitCodes explains them, in the words of the manual.
var ExitCodes = []struct {
	Code    int
	Meaning string
}{
	{exitOK, "It was done, or it was interrupted while it waited for events."},
	{exitFailed, "It failed: the gateway refused it or does not answer, or what was checked is not well."},
	{exitUsage, "The arguments or the settings cannot be used. Nothing was done."},
}

// usageError is a fault in the arguments or the settings.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) (code int) {
	std := &Streams{In: in, Out: out, Err: errOut}
	defer std.flush()
	root := rootCommand(std)
	var helpErr error
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { helpErr = printHelp(cmd) })
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		describeFlags(root)
	}
	root.SetArgs(append([]string{}, args...)) // never nil: then cobra would take the arguments of the process
	cmd, err := root.ExecuteC()
	switch {
	case errors.Is(err, errVersion):
		err = printVersion(std)
	case err == nil:
		err = helpErr
	}
	std.JSON = std.JSON || err != nil && asksJSON(args)
	return std.exitCode(err, cmd)
}

// asksJSON reports whether the arguments ask for JSON. It is for a command line with a fault before --json, where the flag
// has not been read.
func asksJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
