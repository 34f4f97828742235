package logtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sluice/store/eventlog"
)

// testWeights: the bytes of a space without retention are the weights of its events, after any edits, and after
// reopening.
func testWeights(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer func() { closeLog(t, log) }()
	ctx := context.Background()
	var all []eventlog.Event
	want := int64(0)
	for i := range 20 {
		e := eventlog.Event{Space: "$db/a", Name: "n", Stream: fmt.Sprint("s", i%3), Key: fmt.Sprint("k", i), Data: []byte(`"` + strings.Repeat("x", i*100) + `"`), Meta: []byte("{}")}
		id, err := log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{e}})
		if err != nil {
			t.Fatal(err)
		}
		e.ID = id
		all = append(all, e)
		want += log.Weight(&e)
	}
	check := func(when string) {
		t.Helper()
		if s, err := log.State("$db/a"); err != nil || s.Bytes != want {
			t.Errorf("%s: %d bytes, want %d (%v)", when, s.Bytes, want, err)
		}
	}
	check("appended")
	gone, by := all[5], all[19]
	by.Data, by.Meta = []byte("1"), []byte(`{"longer":true}`)
	freed := log.Weight(&gone) + log.Weight(&all[19]) - log.Weight(&by)
	want -= freed
	gone.Data, gone.Meta = nil, nil
	edit := &eventlog.Edit{Remove: []eventlog.Event{gone}, Replace: []eventlog.Replacement{{Old: all[19], New: by}}, Freed: freed}
	if _, err := log.Append(ctx, &eventlog.Request{Edit: edit}); err != nil {
		t.Fatal(err)
	}
	check("edited")
	if _, err := log.Append(ctx, &eventlog.Request{Edit: &eventlog.Edit{Rename: [2]string{"$db/a", "$db/b"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(ctx, &eventlog.Request{Edit: &eventlog.Edit{Rename: [2]string{"$db/b", "$db/a"}}}); err != nil {
		t.Fatal(err)
	}
	check("renamed")
	if o.Durable() {
		closeLog(t, log)
		log, _ = open(t, o, Config{})
		check("reopened")
	}
}
