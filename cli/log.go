package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sluice/gateway"
)

// logCommand is about the log's folder.
func logCommand(std *Streams) *cobra.Command {
	return parent(&cobra.Command{
		Use:     "log",
		Short:   "Check the log of a stopped gateway.",
		Example: logExample,
	}, logVerifyCommand(std))
}

const logExample = "  sluice log verify /var/lib/sluice"

// LogVerify checks all that a log has stored.
type LogVerify struct {
	Dir string
}

func logVerifyCommand(std *Streams) *cobra.Command {
	c := &LogVerify{}
	cmd := &cobra.Command{
		Use:     "verify DIR",
		Short:   "Read the whole log of a stopped gateway, and report what is wrong with it.",
		Example: logExample,
		Long: "DIR is DATA_DIR, its folder log, or a backup.\n\nThe gateway must be stopped; while it runs, verify a backup. No file is changed. Each fault is one line. " +
			"A log without faults has a digest: two logs with the same state have the same one.\n\n" +
			"Exit codes: 0 the log has no faults, 1 it has some or cannot be read, 2 wrong arguments, no log there, or a gateway runs there.",
		Args: checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Dir = args[0]
			return c.Run(std)
		},
		ValidArgsFunction: completeFolders,
	}
	std.jsonFlag(cmd.Flags())
	return cmd
}

// faultsMost is how many faults are printed. One damaged place may cause many.
const faultsMost = 100

// Run prints the faults, or what the log has and its digest.
func (c *LogVerify) Run(std *Streams) error {
	p := newWork(std)
	faults := 0
	v, err := gateway.Verify(context.Background(), c.Dir, gateway.Verifying{Progress: p.show, Fault: func(text string) {
		if faults++; faults <= faultsMost {
			p.line.clear()
			_ = std.result(map[string]string{"fault": text}, oneLine(text)+"\n") // the exit code reports it too
		}
	}})
	p.line.clear()
	switch {
	case errors.Is(err, gateway.ErrNoLog), errors.Is(err, gateway.ErrLocked):
		return usageError{err}
	case err != nil:
		return err
	case faults > faultsMost:
		return fmt.Errorf("the log has %d faults; these are the first %d; see docs/operations.md", faults, faultsMost)
	case faults > 0:
		return fmt.Errorf("the log has faults: %d; see docs/operations.md", faults)
	}
	return std.result(struct {
		Events  int64  `json:"events"`
		Entries int64  `json:"entries"`
		Rows    int64  `json:"rows"`
		Digest  string `json:"digest"`
	}{v.Events, v.Entries, v.Rows, hex.EncodeToString(v.Digest[:])},
		fmt.Sprintf("no faults: %d events, %d entries of rooms, %d rows\ndigest %x\n", v.Events, v.Entries, v.Rows, v.Digest))
}

// workEvery is the time between two lines of progress where there is no terminal.
const workEvery = 5 * time.Second

// work shows the progress of work that may take long: a bar on a terminal, else a line every few seconds.
type work struct {
	std     *Streams
	line    *progress
	printed time.Time
	what    string // is being done
	began   time.Time
}

func newWork(std *Streams) *work {
	return &work{std: std, line: newProgress(std.Err), printed: time.Now()}
}

func (w *work) show(what string, done, total int64) {
	if what != w.what {
		w.what, w.began = what, time.Now()
	}
	text := fmt.Sprintf("%s: %d", what, done)
	if total > 0 {
		text = fmt.Sprintf("%s %s: %d", bar(float64(min(done, total))/float64(total)), what, done)
	}
	if w.line.on {
		if time.Since(w.line.started) >= progressAfter {
			w.line.line(text + pace(done, total, time.Since(w.began)))
		}
	} else if time.Since(w.printed) >= workEvery {
		w.printed = time.Now()
		w.std.note("%s", text)
	}
}
