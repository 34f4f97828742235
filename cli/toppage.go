package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// slowestMost is how many clients are shown where no screen bounds them.
const slowestMost = 10

// page returns the lines of the page, at most height of them, none longer than width.
func (w *watch) page(width, height int) []string {
	s := &w.now
	var lines []string
	add := func(label, text string) {
		lines = append(lines, w.paint.in(styleBold, label+strings.Repeat(" ", max(0, labelWidth-len(label))))+cut(text, width-labelWidth))
	}
	lines = append(lines, w.title(width))
	if w.trouble != nil {
		lines = append(lines, w.paint.in(styleError, cut(oneLine(w.trouble.Error()), width)))
	}
	if !w.has {
		return append(lines, "waiting for the first figures")[:min(height, len(lines)+1)]
	}
	add("events in", fmt.Sprintf("%s/s   %s in all   %s", amount(s.EventsRate), count(int64(s.Events)), curve(w.history)))
	add("events out", fmt.Sprintf("%s/s   %s in all   %s/s", amount(s.DeliveriesRate), count(int64(s.Deliveries)), size(s.BytesRate)))
	add("connections", fmt.Sprintf("%s   %s   views %s", count(int64(s.Connections)), kinds(s.ByKind), count(int64(s.Views))))
	add("lag", fmt.Sprintf("%s behind, the slowest %s   gaps %s   slow %s   busy %s   refused %s", count(int64(s.Lagging)), milliseconds(s.LagMS),
		count(int64(s.Gaps)), count(int64(s.Slow)), count(int64(s.Busy)), count(int64(s.Refused))))
	add("memory", fmt.Sprintf("%s, heap %s   goroutines %s", size(float64(s.Memory.RSS)), size(float64(s.Memory.Heap)), count(int64(s.Goroutines))))
	add("log", w.logLine())
	if fault := w.faultLine(); fault != "" {
		lines = append(lines, w.paint.in(styleError, cut(fault, width)))
	}
	lines = append(lines, "")
	lines = append(lines, w.table(width, height-len(lines))...)
	return lines[:min(height, len(lines))]
}

const labelWidth = 13

func (w *watch) title(width int) string {
	s := &w.now
	text := "sluice top   " + oneLine(w.base)
	if w.has {
		text += "   " + oneLine(s.Version) + "   up " + age(s.Time.Sub(s.Started))
		if s.Node != "" {
			text += "   node " + oneLine(s.Node)
		}
		if s.Cluster != nil {
			text += fmt.Sprintf("   %d gateways", s.Cluster.Nodes)
		}
	}
	text = cut(text, width)
	return w.paint.in(styleInvert, text+strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))))
}

func (w *watch) logLine() string {
	l := &w.now.Log
	text := size(float64(l.Bytes))
	if l.RetainBytes > 0 {
		text += fmt.Sprintf(" of %s %s", size(float64(l.RetainBytes)), bar(min(1, float64(l.Bytes)/float64(l.RetainBytes))))
	}
	text += fmt.Sprintf("   %s events", count(l.Events))
	if l.Events > 0 {
		text += "   the oldest " + age(time.Duration(l.OldestSeconds)*time.Second)
	}
	if l.RetainSeconds > 0 {
		text += " of " + age(time.Duration(l.RetainSeconds)*time.Second)
	}
	return text
}

// faultLine says what needs somebody's attention, or nothing.
func (w *watch) faultLine() string {
	var faults []string
	s := &w.now
	if s.Log.Error != "" {
		faults = append(faults, "the log: "+oneLine(s.Log.Error))
	}
	if s.Log.Damaged > 0 {
		faults = append(faults, fmt.Sprintf("damaged places in the log: %d", s.Log.Damaged))
	}
	if s.Draining {
		faults = append(faults, "the gateway is stopping")
	}
	if s.Cluster != nil && len(s.Cluster.Missing) > 0 {
		faults = append(faults, "no answer from "+oneLine(strings.Join(s.Cluster.Missing, ", ")))
	}
	return strings.Join(faults, "; ")
}

// table lists the clients, sorted.
func (w *watch) table(width, height int) []string {
	list := slices.Clone(w.clients)
	sortClients(list, w.sort)
	head := fmt.Sprintf("%9s  %9s  %-8s %-20s %-22s %s", "LAG", "AGE", "KIND", "WHO", "FROM", "CHANNELS")
	lines := []string{w.paint.in(styleBold, cut(head, width))}
	for _, c := range list[:min(len(list), max(0, height-1))] {
		from := c.From
		if c.Node != "" {
			from += " @" + c.Node
		}
		line := fmt.Sprintf("%9s  %9s  %-8s %-20s %-22s %s", milliseconds(c.LagMS), age(w.now.Time.Sub(c.Since)), fit(c.Kind, 8), fit(c.Who, 20), fit(from, 22), oneLine(c.Channels))
		line = cut(line, width)
		if c.LagMS >= 1000 {
			line = w.paint.in(styleNote, line)
		}
		lines = append(lines, line)
	}
	return lines
}

// printPage prints the page once, and ends top.
func (w *watch) printPage() error {
	width := widthOf(w.std.Out)
	if !isTerminal(w.std.Out) {
		width = 160 // no line of a file needs to be cut to the width of a screen
	}
	for _, line := range w.page(width, slowestMost+10) {
		if _, err := fmt.Fprintln(w.std.Out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return errQuit
}

// printPlain prints a sample as one line.
func (w *watch) printPlain() error {
	s := &w.now
	_, err := io.WriteString(w.std.Out, fmt.Sprintf("%s  connections %d  in %s/s  out %s/s  %s/s  behind %d  slowest %s  memory %s  log %s\n",
		s.Time.UTC().Format(time.RFC3339), s.Connections, amount(s.EventsRate), amount(s.DeliveriesRate), size(s.BytesRate), s.Lagging, milliseconds(s.LagMS),
		size(float64(s.Memory.RSS)), size(float64(s.Log.Bytes))))
	return err
}

// printJSON prints a sample as one object.
func (w *watch) printJSON() error {
	list := slices.Clone(w.clients)
	sortClients(list, w.sort)
	w.now.Slowest = append([]topClient{}, list[:min(len(list), slowestMost)]...)
	if err := printLine(w.std.Out, &w.now); err != nil || !w.top.Once {
		return err
	}
	return errQuit
}

// kinds lists what connections are for, the most frequent kind first.
func kinds(by map[string]map[string]int) string {
	sums := map[string]int{}
	for kind, transports := range by {
		for _, n := range transports {
			sums[kind] += n
		}
	}
	names := slices.Sorted(maps.Keys(sums))
	slices.SortStableFunc(names, func(a, b string) int { return sums[b] - sums[a] })
	var parts []string
	for _, name := range names {
		parts = append(parts, oneLine(name)+" "+count(int64(sums[name])))
	}
	return strings.Join(parts, ", ")
}

// curve draws the values as a line of small bars, the newest last.
func curve(values []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = int(v / most * float64(len(bars)-1))
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}

// cut shortens a text to a width in characters.
func cut(text string, width int) string {
	if width <= 0 {
		return ""
	}
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// fit is cut for a text of a client.
func fit(text string, width int) string { return cut(oneLine(text), width) }

// count writes a number with commas.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// amount is count for a rate; small ones have a fraction.
func amount(v float64) string {
	if v > 0 && v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(int64(v + 0.5))
}

func size(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for bytes >= 1024 && i < len(units)-1 {
		bytes /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", bytes)
	}
	return fmt.Sprintf("%.1f %s", bytes, units[i])
}

func milliseconds(ms int64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	return age(time.Duration(ms) * time.Millisecond)
}

// age writes a duration with its two largest units.
func age(d time.Duration) string {
	s := int64(max(0, d).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %02dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd %02dh", s/86400, s%86400/3600)
}
