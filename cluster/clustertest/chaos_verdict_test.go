//go:build linux

package clustertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"sluice/cluster/clustertest"
)

// stored is an event of the log.
type stored struct {
	ID    string
	Event string
	Data  json.RawMessage
	id    uint64
}

// verdict stops the clients of a cluster that is whole again, and compares what they were told with what is stored. At the end
// it stops the gateways.
func (x *chaos) verdict() {
	x.t.Helper()
	for _, n := range x.c.Nodes {
		n.AwaitReady(x.t)
	}
	x.stop()
	x.writing.Wait()
	x.settle()
	x.leave()
	x.reading.Wait()
	events := x.log()
	x.published(events)
	x.raced(events)
	x.partsFit(events)
	x.pushed()
	x.documents()
	x.keys()
	x.freeze()
	for _, n := range x.c.Nodes {
		n.Stop(x.t)
	}
	digest := x.c.Node(0).Verify(x.t)
	for i, n := range x.c.Nodes {
		if other := n.Verify(x.t); other != digest {
			x.t.Errorf("the state of gateway %d differs: %s, and of gateway 0 %s", i, other, digest)
		}
	}
	x.t.Logf("%d events in the log, %d told of, %d connections of readers got %d events; %d increments, %d perhaps; keys: %d kept, %d deleted",
		len(events), len(x.events), x.hops, x.delivered, x.inc, x.incMay, len(x.kept), len(x.gone))
}

var (
	placeLine   = regexp.MustCompile(`(?m)^sluice_cluster_(?:place|end) (\S+)$`)
	appliedLine = regexp.MustCompile(`(?m)^sluice_cluster_place (\S+)$`)
	waitingLine = regexp.MustCompile(`(?m)^sluice_cluster_waiting_bytes (\S+)$`)
)

// freeze ends the journal while all gateways are at one place. A log writes a tick now and then, which not all may have.
func (x *chaos) freeze() {
	x.t.Helper()
	clustertest.Until(x.t, func() error {
		for _, s := range x.c.Servers {
			s.Kill(x.t)
		}
		var places []string
		for _, n := range x.c.Nodes {
			a := x.call(n.URL(), http.MethodGet, "/metrics", "", "X-Apikey", clustertest.AdminKey)
			places = append(places, fmt.Sprint(appliedLine.FindStringSubmatch(a.text)))
		}
		if all := slices.Clone(places); len(slices.Compact(all)) == 1 {
			return nil
		}
		for _, s := range x.c.Servers {
			s.Start(x.t)
		}
		for _, s := range x.c.Servers {
			s.AwaitReady(x.t)
		}
		x.settle()
		return fmt.Errorf("the gateways are at %v", places)
	})
}

// settle waits until nothing is under way: all gateways are at the journal's end, which stays where it is.
func (x *chaos) settle() {
	x.t.Helper()
	before, same := "", 0
	clustertest.Until(x.t, func() error {
		var places []string
		for _, n := range x.c.Nodes {
			a := x.call(n.URL(), http.MethodGet, "/metrics", "", "X-Apikey", clustertest.AdminKey)
			waiting := waitingLine.FindStringSubmatch(a.text)
			if a.err != nil || a.status != http.StatusOK || waiting == nil {
				return fmt.Errorf("metrics: %d %v", a.status, a.err)
			}
			if waiting[1] != "0" {
				return fmt.Errorf("%s bytes wait", waiting[1])
			}
			for _, m := range placeLine.FindAllStringSubmatch(a.text, -1) {
				places = append(places, m[1])
			}
		}
		if all := strings.Join(places, " "); all != before {
			before, same = all, 0
		}
		slices.Sort(places)
		if same++; len(slices.Compact(places)) > 1 || same < 5 {
			return fmt.Errorf("places and ends are %s", before)
		}
		return nil
	})
}

// log is the log of all gateways, which must be the same.
func (x *chaos) log() (events []stored) {
	x.t.Helper()
	var first []string
	for i, n := range x.c.Nodes {
		lines := x.lines(n.URL())
		if i == 0 {
			first = lines
		}
		if !slices.Equal(lines, first) {
			at := 0
			for at < min(len(lines), len(first)) && lines[at] == first[at] {
				at++
			}
			x.t.Errorf("the log of gateway %d has %d events, that of gateway 0 %d; they differ from number %d on: %q, %q",
				i, len(lines), len(first), at, lines[at:min(at+3, len(lines))], first[at:min(at+3, len(first))])
		}
	}
	for _, line := range first {
		var e stored
		err := json.Unmarshal([]byte(line), &e)
		if err == nil {
			e.id, err = strconv.ParseUint(e.ID, 10, 64)
		}
		if err != nil || len(events) > 0 && e.id <= events[len(events)-1].id {
			x.t.Errorf("in the log is %s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

func (x *chaos) lines(url string) (all []string) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*clustertest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/realtime?from=earliest&until=caught-up", nil)
	if err != nil {
		x.t.Fatal(err)
	}
	r.Header.Set("X-Apikey", clustertest.Key)
	r.Header.Set("Accept", "application/x-ndjson")
	answer, err := (&http.Client{Transport: x.client.Transport}).Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer answer.Body.Close()
	scanner := bufio.NewScanner(answer.Body)
	for scanner.Scan() {
		if scanner.Text() != "" {
			all = append(all, scanner.Text())
		}
	}
	if scanner.Err() != nil || answer.StatusCode != http.StatusOK {
		x.t.Fatalf("reading the log: %s %v", answer.Status, scanner.Err())
	}
	return all
}

// text is what names an event that a writer has made, or "".
func (e *stored) text() (text string) {
	var race struct{ Text string }
	switch e.Event {
	case "e":
		_ = json.Unmarshal(e.Data, &text) // ours are texts
	case "race":
		_ = json.Unmarshal(e.Data, &race)
		text = race.Text
	}
	return text
}

// compare compares what was told with what is there. Problems are counted; the first ones are shown.
func (x *chaos) compare(what string, told map[string]told, there map[string][]string) {
	x.t.Helper()
	problems := 0
	problem := func(format string, a ...any) {
		if problems++; problems <= 10 {
			x.t.Errorf(what+": "+format, a...)
		}
	}
	for text, ids := range there {
		if len(ids) > 1 {
			problem("%s is there %d times: %v", text, len(ids), ids)
		}
	}
	for text, of := range told {
		ids, is := there[text]
		switch {
		case of.fate == acked && !is:
			problem("%s was acknowledged as %s and is lost", text, of.id)
		case of.fate == acked && of.id != "" && ids[0] != of.id:
			problem("%s was acknowledged as %s and is %s", text, of.id, ids[0])
		case of.fate == refused && is:
			problem("%s was refused and is there as %s", text, ids[0])
		}
	}
	if problems > 10 {
		x.t.Errorf("%s: %d problems in all", what, problems)
	}
}

// published checks events: those acknowledged are there once, those refused are not, batches are whole.
func (x *chaos) published(events []stored) {
	x.t.Helper()
	there, at := map[string][]string{}, map[string]int{}
	for i := range events {
		if text := events[i].text(); text != "" {
			there[text], at[text] = append(there[text], events[i].ID), i
		}
	}
	x.compare("events", x.events, there)
	for text, first := range at {
		batch, isFirst := strings.CutSuffix(text, "-0")
		if !isFirst || !strings.HasPrefix(text, "batch-") {
			continue
		}
		for i := range batchSize {
			if next := fmt.Sprintf("%s-%d", batch, i); at[next] != first+i {
				x.t.Errorf("%s is at %d, and its batch begins at %d", next, at[next], first)
			}
		}
	}
	if n := len(there); n < 100 {
		x.t.Errorf("only %d events: the test tests nothing", n)
	}
}

// raced checks that each event with a condition came right after the one that it names.
func (x *chaos) raced(events []stored) {
	x.t.Helper()
	last := "0"
	for i := range events {
		var race struct{ Text, After string }
		if e := &events[i]; e.Event == "race" {
			if err := json.Unmarshal(e.Data, &race); err != nil || race.After != last {
				x.t.Errorf("%s was to come after %s, and comes after %s", race.Text, race.After, last)
			}
			last = e.ID
		}
	}
	if last == "0" {
		x.t.Error("nobody has won a race: the test tests nothing")
	}
}

// partsFit checks that what each connection of a reader got is a part of the log: in order, nothing twice, nothing left out.
func (x *chaos) partsFit(events []stored) {
	x.t.Helper()
	problems := 0
	for _, p := range x.parts {
		at := sort.Search(len(events), func(i int) bool { return events[i].id > p.after })
		for i, id := range p.ids {
			if at+i >= len(events) || events[at+i].id != id {
				if problems++; problems <= 5 {
					x.t.Errorf("%s, after %d: event %d is %d; the log has %v there", p.url, p.after, i, id, around(events, at+i))
				}
				break
			}
		}
	}
	if problems > 0 {
		x.t.Errorf("%d of %d connections got something else than the log", problems, len(x.parts))
	}
	if x.delivered < 100 {
		x.t.Errorf("readers got only %d events: the test tests nothing", x.delivered)
	}
}

func around(events []stored, at int) (ids []uint64) {
	for i := max(0, at-2); i < min(at+3, len(events)); i++ {
		ids = append(ids, events[i].id)
	}
	return ids
}

// within ends a test whose clients took more than a bound. On a machine with other work, times are not exact.
func within(t testing.TB, what string, got, bound float64) {
	t.Helper()
	if got > bound {
		t.Errorf("%s took %.2f s, more than %.2f s", what, got, bound)
	}
}
