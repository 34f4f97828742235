package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/client"
)

// eventPrinter prints events as lines for people.
type eventPrinter struct {
	w           io.Writer
	paint       paint
	pretty, ids bool
	zone        *time.Location
	day         string // of the last event, since lines have only the time
}

// print prints an event or a gap, and ignores other frames. What a client has published is harmless when it is printed: it
// cannot move the cursor, and it has no line end of its own.
func (p *eventPrinter) print(e client.Event) error {
	var b strings.Builder
	if gap, ok := e.Gap(); ok {
		fmt.Fprintln(&b, p.paint.in(styleError, gapLine(gap)))
	} else if e.Published() {
		v, err := client.Decode[json.RawMessage](e)
		if err != nil {
			return fmt.Errorf("this is no event of a gateway: %w", err)
		}
		p.event(&b, &v)
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(p.w, b.String())
	return err
}

func gapLine(gap *client.GapError) string {
	line := "!! events are missing here (" + oneLine(gap.Reason) + ")"
	if gap.After != "" {
		line += ", after the id " + oneLine(gap.After)
	}
	if gap.Oldest != "" {
		line += "; the oldest that the log has is " + oneLine(gap.Oldest)
	}
	return line
}

func (p *eventPrinter) event(b *strings.Builder, v *client.Value[json.RawMessage]) {
	at := v.Time.In(p.zone)
	if day := at.Format(time.DateOnly); day != p.day {
		p.day = day
		fmt.Fprintln(b, p.paint.in(styleDim, "-- "+at.Format("Monday, 2 January 2006 (MST)")))
	}
	b.WriteString(p.paint.in(styleDim, at.Format("15:04:05.000")))
	if p.ids {
		b.WriteString("  " + p.paint.in(styleDim, oneLine(v.ID)))
	}
	b.WriteString("  " + p.paint.channel(oneLine(v.Channel())))
	if v.Stream != "" {
		b.WriteString("  " + p.paint.in(styleDim, "stream "+oneLine(v.Stream)))
	}
	if v.Retracted != "" {
		b.WriteString("  " + p.paint.in(styleNote, "takes back the event "+oneLine(v.Retracted)) + "\n")
		return
	}
	b.WriteString(p.data(v.Data) + "\n")
}

// data returns the data behind a space, or on lines of its own. White space is the publisher's, and may hold line ends.
func (p *eventPrinter) data(data json.RawMessage) string {
	var text bytes.Buffer
	isObject := len(data) > 0 && (data[0] == '{' || data[0] == '[')
	if p.pretty && isObject && json.Indent(&text, data, "    ", "  ") == nil {
		return "\n    " + harmless(text.String())
	}
	text.Reset()
	if json.Compact(&text, data) != nil {
		return ""
	}
	return "  " + oneLine(text.String())
}

// reasonOf returns the reason in the data of a frame of the gateway.
func reasonOf(e *client.Event) string {
	var frame struct{ Data struct{ Reason string } }
	if json.Unmarshal([]byte(e.Data), &frame) != nil {
		return "no reason is given"
	}
	return frame.Data.Reason
}
