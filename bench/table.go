package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const tableHead = "| work | Sluice | goal | others: figure, and times Sluice's |\n| --- | ---: | --- | --- |\n"

// line is a row of the table: the name of the work, and the cells behind it.
type line struct{ name, cells string }

func table(lines []line) string {
	var out strings.Builder
	out.WriteString(tableHead)
	for _, l := range lines {
		fmt.Fprintf(&out, "| %s | %s\n", l.name, l.cells)
	}
	return out.String()
}

// lines are what was measured: the gateway's figure, and those of the others as multiples of it.
func (b *bench) lines() []line {
	var lines []line
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
			others = append(others, text+o.faults())
			if o.system == goal.to {
				against = goal.limit * o.value
			}
		}
		lines = append(lines, line{own.row.name, fmt.Sprintf("%s%s | %s | %s |", format(own.value, own.row.unit), own.faults(), own.judge(against), strings.Join(others, "; "))})
	}
	return lines
}

func (r *result) faults() string {
	if c := r.report.Check; c.Lost+c.Repeated+c.Reordered+c.Foreign+c.Unsequenced > 0 {
		return fmt.Sprintf(", **lost %d, repeated %d, foreign %d, unsequenced %d**", c.Lost, c.Repeated+c.Reordered, c.Foreign, c.Unsequenced)
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
func (b *bench) document(lines []line) error {
	p, err := b.page("performance.md")
	if err != nil {
		return err
	}
	day := time.Now().UTC().Format("2006-01-02")
	machine := machine()
	body := "\nMeasured " + day + machine + table(lines)
	if b.only != "" {
		// A table is of one machine, or its figures could not be compared.
		if !strings.Contains(p.measured, machine) {
			return fmt.Errorf("%s was measured elsewhere or with another Go; measure all of it", p.path)
		}
		head, _, _ := strings.Cut(p.measured, tableHead)
		body = head + table(merge(parse(p.measured), lines, day))
	}
	return p.write(body)
}

// page is a document with a part that is measured.
type page struct{ path, before, measured, after string }

func (b *bench) page(name string) (p page, err error) {
	p.path = filepath.Join(b.root, "docs", name)
	text, err := os.ReadFile(p.path)
	if err != nil {
		return p, err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	measured, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return p, fmt.Errorf("%s has no place between %s and %s", p.path, begin, end)
	}
	p.before, p.measured, p.after = before, measured, after
	return p, nil
}

// write replaces the part that is measured.
func (p *page) write(measured string) error {
	return os.WriteFile(p.path, []byte(p.before+begin+measured+end+p.after), 0o644)
}

// machine says where the figures come from.
func machine() string {
	return fmt.Sprintf(" on %s, Linux %s, %s; server and generator on one processor each.\n\n", cpu(), kernel(), runtime.Version())
}

// apart is the note of a row that was measured after the rest.
const apart = " (measured "

// parse reads the lines of a table that was written.
func parse(text string) []line {
	var lines []line
	_, text, _ = strings.Cut(text, tableHead)
	for l := range strings.Lines(text) {
		name, cells, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(l, "\n"), "| "), " | ")
		if ok {
			lines = append(lines, line{name, cells})
		}
	}
	return lines
}

// merge puts lines that were measured apart among the old ones, in the order of the rows. An old line without a row
// is left out.
func merge(old, measured []line, day string) []line {
	byName := map[string]line{}
	for _, l := range old {
		name, _, _ := strings.Cut(l.name, apart)
		byName[name] = l
	}
	for _, l := range measured {
		byName[l.name] = line{l.name + apart + day + ")", l.cells}
	}
	var lines []line
	for i := range rows {
		if l, ok := byName[rows[i].name]; ok {
			lines = append(lines, l)
		}
	}
	return lines
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
