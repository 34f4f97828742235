package logtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

// testViews: after any mix of conditional changes of rows and reopenings, the rows are those of a map. Views show the
// rows of the moment when they were made, in any range and in both directions.
func testViews(t *testing.T, o Opener) {
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		opener := o.Fresh()
		log, _ := open(rt, opener, Config{})
		defer func() { closeLog(rt, log) }() // rapid may stop a run in the middle
		rows := map[string]string{}
		key := rapid.SampledFrom([]string{"a", "a\x00", "a/1", "a/2", "b", "b/\xff", "c"})
		row := rapid.Custom(func(rt *rapid.T) eventlog.Row {
			r := eventlog.Row{Key: key.Draw(rt, "key")}
			if n := rapid.IntRange(0, 3).Draw(rt, "value"); n > 0 {
				r.Value = []byte(strings.Repeat("v", n))
			}
			return r
		})
		rt.Repeat(map[string]func(*rapid.T){
			"change": func(rt *rapid.T) {
				r := &eventlog.Request{Rows: rapid.SliceOfN(row, 1, 4).Draw(rt, "rows")}
				conditions := rapid.SliceOfN(row, 0, 2).Draw(rt, "if")
				if rapid.Bool().Draw(rt, "with an event") {
					r.Events = []eventlog.Event{event("e", "", "")}
				}
				holds := true
				for _, x := range conditions {
					r.If = append(r.If, eventlog.RowIs(x.Key, x.Value))
					v, ok := rows[x.Key]
					holds = holds && ok == (x.Value != nil) && v == string(x.Value)
				}
				_, err := log.Append(ctx, r)
				if holds && err != nil || !holds && !errors.Is(err, eventlog.ErrRow) {
					rt.Fatalf("it holds: %v, the error: %v", holds, err)
				}
				if !holds {
					return
				}
				for _, x := range r.Rows {
					delete(rows, x.Key)
					if x.Value != nil {
						rows[x.Key] = string(x.Value)
					}
				}
			},
			"look": func(rt *rapid.T) {
				from, to := key.Draw(rt, "from"), key.Draw(rt, "to")
				backwards, most := rapid.Bool().Draw(rt, "backwards"), rapid.IntRange(1, 8).Draw(rt, "most")
				late := row.Draw(rt, "changed under the view")
				err := log.View(ctx, func(v eventlog.View) error {
					if v.Position() != log.Settled() {
						rt.Errorf("position %d, settled %d", v.Position(), log.Settled())
					}
					if _, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{late}}); err != nil {
						return err
					}
					if got, want := scan(rt, v, from, to, backwards, most), naive(rows, from, to, backwards, most); !slices.Equal(got, want) {
						rt.Errorf("got %q, want %q", got, want)
					}
					got, err := v.Row(late.Key)
					if want, ok := rows[late.Key]; string(got) != want || ok != (got != nil) {
						rt.Errorf("got %q, want %q", got, want)
					}
					return err
				})
				if err != nil {
					rt.Fatal(err)
				}
				delete(rows, late.Key)
				if late.Value != nil {
					rows[late.Key] = string(late.Value)
				}
			},
			"reopen": func(rt *rapid.T) {
				if !opener.Durable() {
					return // not durable
				}
				closeLog(rt, log)
				log, _ = open(rt, opener, Config{})
			},
		})
	})
}

func scan(t TB, v eventlog.View, from, to string, backwards bool, most int) (got []string) {
	err := v.Scan(from, to, backwards, func(k, value []byte) (bool, error) {
		got = append(got, fmt.Sprintf("%s=%s", k, value))
		return len(got) < most, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func naive(rows map[string]string, from, to string, backwards bool, most int) (want []string) {
	keys := slices.Sorted(maps.Keys(rows))
	if backwards {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		if from <= k && k < to && len(want) < most {
			want = append(want, k+"="+rows[k])
		}
	}
	return want
}

// testConditionRaces: if many change a row as they have read it, none overwrites another.
func testConditionRaces(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	ctx := context.Background()
	const writers, each = 8, 25
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for done := 0; done < each; {
				was, err := log.Row("n")
				if err == nil {
					_, err = log.Append(ctx, &eventlog.Request{
						If:   []eventlog.Condition{eventlog.RowIs("n", was)},
						Rows: []eventlog.Row{{Key: "n", Value: append(slices.Clone(was), '+')}},
					})
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, eventlog.ErrRow):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if v, err := log.Row("n"); err != nil || len(v) != writers*each {
		t.Errorf("%d of %d, %v", len(v), writers*each, err)
	}
	closeLog(t, log)
}

// testLongView: a scan that needs several iterators passes each row once.
func testLongView(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	const n = 10_000
	r := &eventlog.Request{}
	var want []string
	for i := range n {
		key := fmt.Sprintf("r/%05d", i)
		r.Rows = append(r.Rows, eventlog.Row{Key: key, Value: []byte{}})
		want = append(want, key+"=")
	}
	if _, err := log.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	for _, backwards := range []bool{false, true} {
		err := log.View(context.Background(), func(v eventlog.View) error {
			if got := scan(t, v, "r/", "r0", backwards, n+1); !slices.Equal(got, want) {
				t.Errorf("%d rows, backwards %v", len(got), backwards)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(want)
	}
	closeLog(t, log)
}
