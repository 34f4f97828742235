package directus_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
)

// TestSubscriptionModel: whatever several writers do, singly and to many at once, while subscriptions begin, are
// replaced and read from rings and logs, each has seen at its end what its filter selects of the collection: no change
// twice, none out of order, none missed.
func TestSubscriptionModel(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.RingBytes = 3000 })
	const writers, readers, changes = 4, 6, 150
	seed := gatewaytest.Fields(t, `{"n":0,"w":0}`)
	if _, err := g.Documents.Insert(t.Context(), "m", "test", []documents.New{{ID: "seed", Fields: seed}}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() { followModel(t, g, i) })
	}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			var own []string
			for n := range changes {
				if err := changeModel(t, g, random, w, n, &own); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	if _, err := g.Documents.Insert(t.Context(), "m", "test", []documents.New{{ID: "last", Fields: gatewaytest.Fields(t, `{"n":9,"w":0}`)}}); err != nil {
		t.Fatal(err)
	}
	all.Wait()
}

// changeModel makes one change, of a writer's own items. Each change of an item raises its v.
func changeModel(t *testing.T, g *gateway, random *rand.Rand, w, n int, own *[]string) error {
	pick := func() []string {
		var ids []string
		for _, id := range *own {
			if random.IntN(3) == 0 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	ctx := t.Context()
	switch random.IntN(4) {
	case 0, 1:
		var docs []documents.New
		for i := range 1 + random.IntN(3) {
			id := fmt.Sprintf("%d-%d-%d", w, n, i)
			docs = append(docs, documents.New{ID: id, Fields: gatewaytest.Fields(t, fmt.Sprintf(`{"n":%d,"w":%d,"v":1}`, random.IntN(10), w))})
			*own = append(*own, id)
		}
		_, err := g.Documents.Insert(ctx, "m", "test", docs)
		return err
	case 2:
		if ids := pick(); len(ids) > 0 {
			_, err := g.Documents.Update(ctx, "m", "test", ids, false, func(_ string, f *documents.Fields) error {
				v, err := strconv.Atoi(string(f.Get("v")))
				f.Set("v", strconv.AppendInt(nil, int64(v+1), 10))
				return err
			})
			return err
		}
	default:
		gone := pick()
		if len(gone) == 0 {
			return nil
		}
		var left []string
		for _, id := range *own {
			kept := true
			for _, g := range gone {
				kept = kept && g != id
			}
			if kept {
				left = append(left, id)
			}
		}
		*own = left
		_, err := g.Documents.Remove(ctx, "m", gone, false)
		return err
	}
	return nil
}

// followModel subscribes, applies the messages, and compares the result with a list. Half of the readers have a
// second subscription, and all of them sometimes subscribe again.
func followModel(t *testing.T, g *gateway, reader int) {
	s := g.Socket(t, gatewaytest.KeyItems)
	filter := fmt.Sprintf(`{"n":{"_gte":%d}}`, reader%3)
	begin := func() {
		s.Send(`{"type":"subscribe","collection":"m","uid":"1","query":{"limit":-1,"filter":` + filter + `}}`)
		if reader%2 == 0 {
			s.Send(`{"type":"subscribe","collection":"m","uid":"2","event":"create"}`)
		}
	}
	begin()
	state, messages := map[string]int{}, 0
	for {
		text, err := s.Next()
		if err != nil {
			t.Error(err)
			return
		}
		var m struct {
			Event, UID string
			Data       json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if m.UID != "1" {
			continue
		}
		if messages++; messages == 40*(reader+1) {
			begin()
		}
		var items []struct {
			ID string
			V  int
		}
		switch m.Event {
		case "init":
			state = map[string]int{}
			fallthrough
		case "create", "update":
			if err := json.Unmarshal(m.Data, &items); err != nil {
				t.Errorf("%s: %v", text, err)
				return
			}
		default:
			var gone []string
			if err := json.Unmarshal(m.Data, &gone); err != nil {
				t.Errorf("%s: %v", text, err)
				return
			}
			for _, id := range gone {
				delete(state, id)
			}
		}
		for _, i := range items {
			was, there := state[i.ID]
			if m.Event == "create" && there || m.Event == "update" && i.V != was+1 {
				t.Errorf("reader %d has %s %d, %v, and got %s", reader, i.ID, was, there, text)
			}
			state[i.ID] = i.V
		}
		if _, ended := state["last"]; ended { // a list that begins this late has more behind it
			compareModel(t, g, filter, state)
			return
		}
	}
}

func compareModel(t *testing.T, g *gateway, filter string, state map[string]int) {
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"items","collection":"m","action":"read","query":{"limit":-1,"filter":` + filter + `}}`)
	text, err := s.Next()
	if err != nil {
		t.Error(err)
		return
	}
	var m struct {
		Data []struct {
			ID string
			V  int
		}
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	if len(m.Data) != len(state) {
		t.Errorf("%d items exist, %d were in messages", len(m.Data), len(state))
	}
	for _, i := range m.Data {
		if v, ok := state[i.ID]; !ok || v != i.V {
			t.Errorf("%s is %d, the messages had %d, %v", i.ID, i.V, v, ok)
		}
	}
}

// TestSubscriptionOrder: the messages of several subscriptions of one connection have the order of the changes.
func TestSubscriptionOrder(t *testing.T) {
	t.Parallel()
	for _, ring := range []int{1 << 20, 2000} {
		g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.RingBytes = ring })
		s := g.Socket(t, gatewaytest.KeyItems)
		const parts, changes = 5, 300
		for i := range parts {
			list := []string{}
			for n := i; n < changes; n += parts {
				list = append(list, strconv.Itoa(n))
			}
			s.Send(fmt.Sprintf(`{"type":"subscribe","collection":"m","uid":%d,"query":{"fields":"n","filter":{"n":{"_in":[%s]}}}}`, i, strings.Join(list, ",")))
			s.Expect(gatewaytest.SubscriptionMessage("init", "[]", strconv.Itoa(i)))
		}
		for n := range changes {
			if _, err := g.Documents.Insert(t.Context(), "m", "test", []documents.New{{Fields: gatewaytest.Fields(t, fmt.Sprintf(`{"n":%d}`, n))}}); err != nil {
				t.Fatal(err)
			}
		}
		for n := range changes {
			s.Expect(gatewaytest.SubscriptionMessage("create", fmt.Sprintf(`[{"n":%d}]`, n), strconv.Itoa(n%parts)))
		}
	}
}
