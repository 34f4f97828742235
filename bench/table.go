package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// table has a line for each row: the gateway's figure, and those of the others as multiples of it.
func (b *bench) table() string {
	var out strings.Builder
	out.WriteString("| work | Sluice | goal | others: figure, and times Sluice's |\n| --- | ---: | --- | --- |\n")
	for i := 0; i < len(b.results); {
		own := b.results[i]
		var others []string
		goal := own.row.goal
		against := goal.limit
		for i++; i < len(b.results) && b.results[i].row == own.row; i++ {
			o := b.results[i]
			text := fmt.Sprintf("%s %s", o.system.name, format(o.value, own.row.unit))
			if own.value > 0 {
				text += fmt.Sprintf(" (%.2f ×)", o.value/own.value)
			}
			if c := o.report.Check; c.Lost+c.Repeated+c.Reordered > 0 {
				text += fmt.Sprintf(", **lost %d, repeated %d**", c.Lost, c.Repeated+c.Reordered)
			}
			others = append(others, text)
			if o.system == goal.to {
				against = goal.limit * o.value
			}
		}
		fmt.Fprintf(&out, "| %s | %s%s | %s | %s |\n", own.row.name, format(own.value, own.row.unit), own.faults(), own.judge(against), strings.Join(others, "; "))
	}
	return out.String()
}

func (r *result) faults() string {
	if c := r.report.Check; c.Lost+c.Repeated+c.Reordered+c.Foreign > 0 {
		return fmt.Sprintf(" **lost %d, repeated %d, foreign %d**", c.Lost, c.Repeated+c.Reordered, c.Foreign)
	}
	return ""
}

func (r *result) judge(against float64) string {
	g := r.row.goal
	if g.limit == 0 {
		return ""
	}
	word, met := "at most", r.value <= against
	if g.least {
		word, met = "at least", r.value >= against
	}
	mark := "missed"
	if met {
		mark = "met"
	}
	text := format(against, r.row.unit)
	if g.to != nil {
		text = fmt.Sprintf("%.4g × %s", g.limit, g.to.name)
	}
	return fmt.Sprintf("%s %s: %s", word, text, mark)
}

const (
	begin = "<!-- measured:begin -->"
	end   = "<!-- measured:end -->"
)

// document puts what was measured between the marks of docs/performance.md.
func (b *bench) document(table string) error {
	path := filepath.Join(b.root, "docs", "performance.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place between %s and %s", path, begin, end)
	}
	head := fmt.Sprintf("\nMeasured %s on %s, Linux %s, %s; server and generator on one processor each.\n\n", time.Now().UTC().Format("2006-01-02"), cpu(), kernel(), runtime.Version())
	return os.WriteFile(path, []byte(before+begin+head+table+end+after), 0o644)
}

func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, rest, _ := strings.Cut(string(text), "model name")
	_, rest, _ = strings.Cut(rest, ":")
	name, _, _ := strings.Cut(rest, "\n")
	return fmt.Sprintf("%d × %s", runtime.NumCPU(), strings.TrimSpace(name))
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
