package realtime_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
)

// TestCutBehindSlowReader: a reader that retention overtakes learns from where to where, also where nothing is
// left of what it asked for.
func TestCutBehindSlowReader(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?from=earliest", "?from=earliest&stream=s&types=e", "?from=earliest&until=caught-up", "?to=9999999999999999&limit=1000000"} {
		for _, header := range []string{"Accept: text/event-stream\r\n", "Accept: application/x-ndjson\r\n"} {
			t.Run(query+" "+header[8:], func(t *testing.T) {
				for _, more := range []int{0, 16 << 20} { // published before the cut
					cutBehindSlowReader(t, query, header, more)
				}
			})
		}
	}
}

func cutBehindSlowReader(t *testing.T, query, header string, more int) {
	m := &selectorModel{t: t, dir: t.TempDir()}
	defer func() { m.g.Stop(t) }()                       // at once, and not when all are done
	m.retain.Store(&eventlog.Retention{Bytes: 64 << 20}) // segments of 2 MiB
	m.start()
	flood := func(bytes int) string {
		for range bytes / 50_000 {
			m.put([]eventlog.Event{{Name: "e", Stream: "s", Data: m.data(0, 50_000)}})
		}
		return m.all[len(m.all)-1].ID
	}
	last := flood(16 << 20)
	w := m.g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, query, header))
	lines, ends := strings.Contains(header, "ndjson"), strings.Contains(query, "until")
	whole := map[bool]string{true: "}\n", false: "\n\n"}[lines] // the end of a line, or of a frame
	for len(w.Text) < 10_000 && w.Pull(1<<10) == nil {
		continue // until it has something of the first
	}
	if end := flood(more); !ends {
		last = end
	}
	// By age all goes at once, so that there is one gap.
	rest := len(m.all) - 40
	m.over = m.all[rest-1].id
	m.tick()
	if err := m.g.Broker.Log().Retain(m.t.Context()); err != nil {
		t.Fatal(err)
	}
	for ends || !strings.HasSuffix(string(w.Text), whole) || !strings.Contains(string(w.Text[max(0, len(w.Text)-60_000):]), last) {
		if err := w.Pull(1 << 20); err == io.EOF && ends {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var p reply
	p.read(t, w.Text, lines)
	if len(p.gaps) != 1 || p.gaps[0].before == 0 {
		t.Fatalf("%d events of %d, of which %d were removed, and gaps %+v", len(p.events), len(m.all), rest, p.gaps)
	}
	before := p.gaps[0].before
	if want := (gapFields{"expired", m.all[before-1].ID, m.all[rest].ID, before}); p.gaps[0] != want {
		t.Errorf("told %+v, want %+v", p.gaps[0], want)
	}
	want := slices.DeleteFunc(append(m.all[:before:before], m.all[rest:]...), func(e entry) bool { return e.ID > last })
	if !slices.EqualFunc(p.events, want, entry.same) {
		t.Errorf("%d events around a gap at %d, want %d", len(p.events), before, len(want))
	}
}
