// Command bench measures the gateway against its peers and against floors of our own, all in one run on this
// machine: the server on one processor, the load generator on another. It writes the table and the plots of
// docs/performance.md. See make bench.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	b := bench{reports: map[string]*report{}, servers: map[string]*running{}}
	flag.StringVar(&b.bin, "bin", "", "folder with the binaries: sluice, and the peers")
	flag.StringVar(&b.root, "root", "..", "the project's folder")
	flag.StringVar(&b.only, "only", "", "only rows whose name holds this")
	flag.BoolVar(&b.kinds, "kinds", false, "measure what a connection of each kind takes, for docs/sizing.md, and nothing else")
	flag.BoolVar(&b.plots, "plots", true, "measure what the plots show, too")
	flag.BoolVar(&b.write, "write", false, "write docs/performance.md; with -only, those rows of it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of all.
type bench struct {
	bin, root, only string
	plots, write    bool
	kinds           bool
	results         []result
	reports         map[string]*report  // by system and work
	servers         map[string]*running // with documents, by system and their number
}

func (b *bench) run(ctx context.Context) error {
	b.bin, b.root = absolute(b.bin), absolute(b.root)
	defer b.stopAll()
	if b.kinds {
		return b.sizes(ctx)
	}
	for i := range rows {
		if b.only != "" && !strings.Contains(rows[i].name, b.only) {
			continue
		}
		for _, s := range rows[i].systems {
			m, err := b.measure(ctx, s, &rows[i])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", rows[i].name, s.name, err)
			}
			b.results = append(b.results, result{&rows[i], s, m, rows[i].value(m)})
			fmt.Fprintf(os.Stderr, "%-58s %-22s %s\n", rows[i].name, s.name, format(rows[i].value(m), rows[i].unit))
		}
	}
	lines := b.lines()
	fmt.Print(table(lines))
	if !b.write {
		return nil
	}
	if b.plots && b.only == "" {
		if err := b.plot(ctx); err != nil {
			return err
		}
	}
	return b.document(lines)
}

// result is one system's figure for one row.
type result struct {
	row    *row
	system *system
	report *report
	value  float64
}

func absolute(path string) string {
	p, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return p
}
