package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/pebble"
)

// doors is a collection behind both doors, with its expected documents and messages.
type doors struct {
	t      *testing.T
	fs     *vfs.MemFS
	keeps  pebble.Durability
	g      *gateway
	docs   map[string]int      // n of each, by id
	socket *gatewaytest.Socket // subscribed to n of 2 or more
	stream *gatewaytest.Stream
}

// TestBothDoors: any mix of writes through RestDB's and Directus' door, of reopenings, of kills (what was written is
// there) and, with DURABILITY=disk, of power cuts (what was not synced is gone) leaves what a map has, as each door and
// each subscriber sees it: every change of a filter once, and in order.
func TestBothDoors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		keeps := rapid.SampledFrom([]pebble.Durability{pebble.Process, pebble.Disk}).Draw(rt, "durability")
		d := &doors{t: t, fs: vfs.NewCrashableMem(), keeps: keeps, docs: map[string]int{}}
		d.open(rt, "")
		defer func() { d.close() }()
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		rt.Repeat(map[string]func(*rapid.T){
			"insert": func(rt *rapid.T) {
				id, n := id.Draw(rt, "id"), rapid.IntRange(0, 4).Draw(rt, "n")
				_, taken := d.docs[id]
				if rapid.Bool().Draw(rt, "by RestDB") {
					d.call(rt, !taken, http.MethodPost, "/rest/c", fmt.Sprintf(`{"_id":%q,"n":%d}`, id, n))
				} else {
					d.call(rt, !taken, http.MethodPost, "/items/c", fmt.Sprintf(`{"id":%q,"n":%d}`, id, n))
				}
				if !taken {
					d.docs[id] = n
					d.expectChange(rt, "post", "create", id)
				}
			},
			"update": func(rt *rapid.T) {
				id, n := id.Draw(rt, "id"), rapid.IntRange(0, 4).Draw(rt, "n")
				was, there := d.docs[id]
				switch rapid.IntRange(0, 3).Draw(rt, "how") {
				case 0:
					d.call(rt, there, http.MethodPut, "/rest/c/"+id, fmt.Sprintf(`{"n":%d}`, n))
				case 1:
					d.call(rt, there, http.MethodPatch, "/rest/c/"+id, fmt.Sprintf(`{"n":%d}`, n))
				case 2:
					d.call(rt, there, http.MethodPut, "/rest/c/"+id, `{"$inc":{"n":1}}`)
					n = was + 1
				default:
					d.call(rt, there, http.MethodPatch, "/items/c/"+id, fmt.Sprintf(`{"n":%d}`, n))
				}
				if there {
					d.docs[id] = n
					d.expectChange(rt, "put", "update", id)
				}
			},
			"update many": func(rt *rapid.T) {
				ids, n := slices.Sorted(maps.Keys(d.docs)), rapid.IntRange(0, 4).Draw(rt, "n")
				if len(ids) == 0 {
					return // there is none
				}
				keys, _ := json.Marshal(ids)
				d.call(rt, true, http.MethodPatch, "/items/c", fmt.Sprintf(`{"keys":%s,"data":{"n":%d}}`, keys, n))
				for _, id := range ids {
					d.docs[id] = n
				}
				d.expectChange(rt, "put", "update", ids...)
			},
			"delete": func(rt *rapid.T) {
				id := id.Draw(rt, "id")
				_, there := d.docs[id]
				if rapid.Bool().Draw(rt, "by RestDB") {
					d.call(rt, there, http.MethodDelete, "/rest/c/"+id, "")
				} else {
					d.call(rt, there, http.MethodDelete, "/items/c/"+id, "")
				}
				if delete(d.docs, id); there {
					d.expectChange(rt, "delete", "delete", id)
				}
			},
			"delete many": func(rt *rapid.T) {
				n := rapid.IntRange(0, 4).Draw(rt, "n")
				var gone []string
				for _, id := range slices.Sorted(maps.Keys(d.docs)) {
					if d.docs[id] >= n {
						gone = append(gone, id)
						delete(d.docs, id)
					}
				}
				if rapid.Bool().Draw(rt, "by RestDB") {
					d.call(rt, true, http.MethodDelete, fmt.Sprintf(`/rest/c/*?q={"n":{"$gte":%d}}`, n), "")
				} else {
					d.call(rt, true, http.MethodDelete, "/items/c", fmt.Sprintf(`{"query":{"filter":{"n":{"_gte":%d}},"limit":-1}}`, n))
				}
				if len(gone) > 0 {
					d.expectChange(rt, "delete", "delete", gone...)
				}
			},
			"reopen": func(rt *rapid.T) {
				last := d.close()
				d.open(rt, last)
			},
			"kill": func(rt *rapid.T) {
				written := map[pebble.Durability]int{pebble.Process: 100, pebble.Disk: 0}[d.keeps]
				left := d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: written, RNG: rand.New(rand.NewPCG(1, 2))})
				last := d.close()
				d.fs = left
				d.open(rt, last)
			},
			"": d.look,
		})
		d.socket.ExpectNothing()
	})
}

// open opens the gateway on the same disk, and subscribes at both doors; the stream goes on where it was.
func (d *doors) open(rt *rapid.T, last string) {
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: d.fs, Durability: d.keeps})
	if err != nil {
		rt.Fatal(err)
	}
	d.g = newGateway(d.t, func(s *setup) { s.APIKeys, s.Engine = documentKeys, engine })
	d.stream = d.g.Stream(d.t, gatewaytest.KeyDocs, "?channels=POST:c,PUT:c,DELETE:c&lastEventId="+last)
	d.socket = d.g.Socket(d.t, gatewaytest.KeyDocs)
	d.socket.Send(`{"type":"subscribe","collection":"c","query":{"fields":["id","n"],"sort":"id","filter":{"n":{"_gte":2}}}}`)
	d.expectMessage(rt, "init", d.items(2))
}

// close closes all, so that nothing of it is held while others are opened, and gives the stream's last id.
func (d *doors) close() string {
	d.socket.WS.CloseNow()
	d.stream.Answer.Body.Close()
	d.g.Stop(d.t)
	return d.stream.Parser.LastEventID()
}

// items are the documents with n of least or more, as Directus' clients see them.
func (d *doors) items(least int, only ...string) string {
	items := []string{}
	for _, id := range slices.Sorted(maps.Keys(d.docs)) {
		if d.docs[id] >= least && (len(only) == 0 || slices.Contains(only, id)) {
			items = append(items, fmt.Sprintf(`{"id":%q,"n":%d}`, id, d.docs[id]))
		}
	}
	return "[" + strings.Join(items, ",") + "]"
}

func (d *doors) expectMessage(rt *rapid.T, event, data string) {
	got, err := d.socket.Next()
	if want := fmt.Sprintf(`{"type":"subscription","event":%q,"data":%s}`, event, data); err != nil || got != want {
		rt.Fatalf("the socket got %s, %v; want %s", got, err, want)
	}
}

// expectChange checks that both doors report a change, each in its own form.
func (d *doors) expectChange(rt *rapid.T, kind, event string, ids ...string) {
	all, _ := json.Marshal(ids)
	switch items := d.items(2, ids...); {
	case kind == "delete":
		d.expectMessage(rt, event, string(all))
	case items != "[]":
		d.expectMessage(rt, event, items)
	}
	if kind == "delete" {
		d.streams(rt, kind, string(all))
		return
	}
	for _, id := range ids {
		d.streams(rt, kind, id)
	}
}

// streams wants the stream's next event to be a change: of all the ids, for a delete.
func (d *doors) streams(rt *rapid.T, kind, id string) {
	e := d.stream.Event(d.t)
	var body struct {
		Event, Collection string
		Data              json.RawMessage
	}
	if err := json.Unmarshal([]byte(e.Data), &body); err != nil {
		rt.Fatal(err)
	}
	got := string(body.Data)
	var doc struct {
		ID string `json:"_id"`
		N  int
	}
	switch kind {
	case "post":
		if err := json.Unmarshal(body.Data, &doc); err != nil || doc.N != d.docs[id] {
			rt.Fatalf("%s, %v", got, err)
		}
		got = doc.ID
	case "put":
		got = strings.Trim(got, `"`)
	}
	if e.Name != kind || body.Event != kind || body.Collection != "c" || got != id {
		rt.Fatalf("the stream got %s %s; want %s %s", e.Name, e.Data, kind, id)
	}
}

// look holds both doors against the map.
func (d *doors) look(rt *rapid.T) {
	if got, want := d.call(rt, true, http.MethodGet, "/items/c?fields=id,n&sort=id", ""), `{"data":`+d.items(0)+`}`; got != want {
		rt.Fatalf("Directus' door has %s; want %s", got, want)
	}
	want := strings.ReplaceAll(d.items(0), `"id"`, `"_id"`)
	if got := d.call(rt, true, http.MethodGet, `/rest/c?h={"$fields":{"n":1},"$orderby":{"_id":1}}`, ""); got != want {
		rt.Fatalf("RestDB's door has %s; want %s", got, want)
	}
}

// call wants a call to go well, or not, and gives its answer.
func (d *doors) call(rt *rapid.T, well bool, method, path, body string) string {
	path, query, _ := strings.Cut(path, "?")
	r, err := http.NewRequest(method, d.g.URL+path, strings.NewReader(body))
	if err != nil {
		rt.Fatal(err)
	}
	r.URL.RawQuery = query
	r.Header.Set("x-apikey", gatewaytest.KeyDocs)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := d.g.Client().Do(r)
	if err != nil {
		rt.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode < 300 != well || answer.StatusCode >= 500 {
		rt.Fatalf("%s %s %s: %d %s, %v; should go well: %v", method, path, body, answer.StatusCode, text, err, well)
	}
	return strings.TrimSpace(string(text))
}
