package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/client"
)

// progress is a line that each update overwrites. It appears only on a terminal, and only once something has taken a second.
type progress struct {
	w       io.Writer
	started time.Time
	last    time.Time
	on      bool
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, started: time.Now(), on: isTerminal(w)}
}

// beside returns progress for a command that prints results meanwhile. If they go to a terminal too, they are progress enough,
// and a line between them would be in the way.
func (s *Streams) beside() *progress {
	p := newProgress(s.Err)
	p.on = p.on && !isTerminal(s.Out)
	return p
}

// progressAfter is how long something takes before progress is shown, and progressEvery the time between two updates.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

func (p *progress) line(text string) {
	if !p.on || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s", cut(oneLine(text), widthOf(p.w)-1))
}

// during shows what f does, and for how long, until it ends. It is for work of which nobody knows how much is left.
func (p *progress) during(what string, f func() error) error {
	if !p.on {
		return f()
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for step := 0; ; step++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if took := time.Since(p.started); took >= progressAfter {
				p.line(moving(step) + " " + what + ": " + age(took))
			}
		}
	})
	defer p.clear()
	defer group.Wait()
	defer close(done)
	return f()
}

// moving is a bar whose part moves to and fro.
func moving(step int) string {
	const part = 6
	at := step % (2 * (barWidth - part))
	at = min(at, 2*(barWidth-part)-at)
	return "[" + strings.Repeat(".", at) + strings.Repeat("#", part) + strings.Repeat(".", barWidth-part-at) + "]"
}

// pace describes how fast work goes on and, if its whole is known, when it will be done.
func pace(done, total int64, took time.Duration) string {
	if done <= 0 || took < progressAfter {
		return ""
	}
	rate := float64(done) / took.Seconds()
	text := ", " + amount(rate) + "/s"
	if left := float64(total-done) / rate; total > done {
		text += ", " + age(time.Duration(left*float64(time.Second))) + " left"
	}
	return text
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

func newPastProgress(std *Streams) *pastProgress {
	return &pastProgress{line: std.beside(), started: time.Now()}
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
	took := time.Since(p.started)
	if took < progressAfter {
		return
	}
	share := float64(id-p.first) / float64(max(1, p.started.UnixMicro()-p.first))
	share = min(max(share, 0), 1)
	text := fmt.Sprintf("%s of the time, %s events%s", bar(share), count(int64(p.events)), pace(int64(p.events), 0, took))
	if share > 0 && share < 1 {
		text += ", " + age(time.Duration(float64(took)*(1-share)/share)) + " left"
	}
	p.line.line(text)
}

// bar shows a share between 0 and 1.
func bar(share float64) string {
	done := int(share * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), 100*share)
}
