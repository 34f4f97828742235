package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/client"
)

// progress is a line that each update overwrites. It appears only on a terminal.
type progress struct {
	w    io.Writer
	last time.Time
	on   bool
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{w: w}
	}
	info, err := f.Stat()
	return &progress{w: w, on: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) line(text string) {
	if !p.on || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

func (p *progress) clear() {
	if p.on {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// pastProgress shows the progress of reading the past, if that takes more than a moment. Ids are times. So the share
// that is done is the share of the time between the first event and the start of reading.
type pastProgress struct {
	line    *progress
	started time.Time
	first   int64 // µs
	events  int
	over    bool
}

func newPastProgress(w io.Writer) *pastProgress {
	return &pastProgress{line: newProgress(w), started: time.Now()}
}

// barWidth is the number of characters in the bar.
const barWidth = 30

// see is called with each frame, before it is printed.
func (p *pastProgress) see(e client.Event) {
	if p.over || !p.line.on {
		return
	}
	if e.Name == client.Live || e.Name == client.End {
		p.over = true
		p.line.clear()
		return
	}
	id, err := strconv.ParseInt(e.ID, 10, 64)
	if err != nil || e.Name == client.Init || e.Name == client.Ping {
		return
	}
	if p.events++; p.first == 0 {
		p.first = id
	}
	if time.Since(p.started) < time.Second {
		return
	}
	share := float64(id-p.first) / float64(max(1, p.started.UnixMicro()-p.first))
	share = min(max(share, 0), 1)
	p.line.line(fmt.Sprintf("%s of the time, %d events", bar(share), p.events))
}

// bar shows a share between 0 and 1.
func bar(share float64) string {
	done := int(share * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), 100*share)
}
