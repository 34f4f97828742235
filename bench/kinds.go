package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// anyCertificate has the generator use TLS.
const anyCertificate = "--insecure"

// kind is a kind of connection, whose memory and CPU are measured for docs/sizing.md.
type kind struct {
	name   string
	over   string // what it is sent over
	system *system
}

// idly and busily are what is measured of each kind: connections that wait, and connections that get events.
var (
	idly   = words("-n 2000 -e 0 --hold 13s")
	busily = words("-n 500 -e 100 -r 20 --hold 1s")
)

const (
	demoKey  = `API_KEYS=[{"name":"bench","key":"` + key + `","sub":["*","$db/demo"],"pub":["*","$db/demo"],"rest":["*"]}]`
	openRoom = "ROOM_CREATE=open"
)

// ways are the kinds, as arguments of the generator.
var (
	asHistory = append([]string{"--subscribe", "/realtime?channels=bench-{channel}&from=earliest"}, withKey...)
	asFeed    = append([]string{"--subscribe", "/db/demo/events?stream=bench&after=past-events", "--publish", "/events",
		"--body", `{"data":{"text":"{payload}"},"meta":{"db":"demo","stream":"bench","type":"bench"}}`}, withKey...)
	asRoomStream = append([]string{"--subscribe", "/room/{room}/events"}, pushing...)
	asRoomSocket = append([]string{"--websocket", "--subscribe", "/room/{room}/connect"}, pushing...)
	asDirectus   = append([]string{"--websocket", "--subscribe", "/websocket", "--ready", `"event":"init"`,
		"--say", `{"type":"auth","access_token":"` + key + `"}`,
		"--say", `{"type":"subscribe","collection":"bench","uid":"1","query":{"fields":["id","text"]}}`,
		"--publish", "/items/bench", "--body", `{"text":"{payload}"}`}, withKey...)
	asSocket = append([]string{"--websocket"}, plain...)
)

// secure adds TLS to a way, and HTTP/2 with some streams a connection; 0 is HTTP/1.1.
func secure(way []string, streams int) []string {
	way = append(slices.Clone(way), anyCertificate)
	if streams > 0 {
		way = append(way, "--http2", fmt.Sprint(streams))
	}
	return way
}

// own are the gateway's kinds, in the words of sluice_connections_by_kind.
func own() (all []kind) {
	for _, k := range []struct {
		name     string
		way      []string
		settings []string
	}{
		{"stream", withKey, nil}, {"history", asHistory, nil}, {"feed", asFeed, []string{"PERSISTR_DEMO=true", demoKey}},
		{"room_stream", asRoomStream, []string{openRoom}}, {"room_socket", asRoomSocket, []string{openRoom}}, {"directus_socket", asDirectus, nil},
	} {
		all = append(all, kind{k.name, "clear", &system{"Sluice " + k.name, gateway(k.settings...), k.way}})
		all = append(all, kind{k.name, "tls", &system{"Sluice " + k.name + " tls", secureGateway(k.settings...), secure(k.way, 0)}})
		if k.name != "stream" { // the other streams have the same writer over HTTP/2; sockets have none
			continue
		}
		for _, n := range []int{1, 100} {
			over := fmt.Sprintf("http2, %d a connection", n)
			all = append(all, kind{k.name, over, &system{"Sluice " + k.name + " " + over, secureGateway(k.settings...), secure(k.way, n)}})
		}
	}
	return all
}

var (
	floorStreams     = &system{"floor: net/http", program("streams"), plain}
	floorTLS         = &system{"floor: net/http, TLS", secureProgram("streams"), secure(plain, 0)}
	floorHTTP2       = &system{"floor: net/http, HTTP/2", secureProgram("streams"), secure(plain, 1)}
	floorHTTP2Shared = &system{"floor: net/http, HTTP/2, 100 a connection", secureProgram("streams"), secure(plain, 100)}
	floorGobwas      = &system{"floor: gobwas/ws", program("gobwas"), asSocket}
	floorGobwasTLS   = &system{"floor: gobwas/ws, TLS", secureProgram("gobwas"), secure(asSocket, 0)}
	floorLibraryTLS  = &system{"floor: coder/websocket, TLS", secureProgram("socket"), secure(asSocket, 0)}
)

// bare are the same loads on programs that do nothing else.
var bare = []kind{
	{"an epoll loop", "clear", floorEach}, {"net/http", "clear", floorStreams}, {"net/http", "tls", floorTLS},
	{"net/http", "http2, 1 a connection", floorHTTP2}, {"net/http", "http2, 100 a connection", floorHTTP2Shared},
	{"an epoll loop with WebSockets", "clear", floorSocket}, {"gobwas/ws", "clear", floorGobwas}, {"gobwas/ws", "tls", floorGobwasTLS},
	{"coder/websocket", "clear", floorLibrary}, {"coder/websocket", "tls", floorLibraryTLS},
}

const sizesHead = "| %s | over | memory each, idle | CPU to connect | CPU a delivery |\n| --- | --- | ---: | ---: | ---: |\n"

// sizes prints the tables of docs/sizing.md.
func (b *bench) sizes(ctx context.Context) error {
	text := "\nMeasured " + time.Now().UTC().Format("2006-01-02") + machine()
	for _, table := range []struct {
		head  string
		kinds []kind
	}{{"kind", own()}, {"bare loop", bare}} {
		text += fmt.Sprintf(sizesHead, table.head)
		for i := range table.kinds {
			k := &table.kinds[i]
			if b.only != "" && !strings.Contains(k.name+" "+k.over, b.only) {
				continue
			}
			row, err := b.size(ctx, k)
			if err != nil {
				return fmt.Errorf("%s over %s: %w", k.name, k.over, err)
			}
			fmt.Fprint(os.Stderr, row)
			text += row
		}
		text += "\n"
	}
	fmt.Print(text)
	if !b.write || b.only != "" {
		return nil
	}
	p, err := b.page("sizing.md")
	if err != nil {
		return err
	}
	return p.write(text)
}

// size measures one kind.
func (b *bench) size(ctx context.Context, k *kind) (string, error) {
	idle, err := b.load(ctx, k.system, idly)
	if err != nil {
		return "", err
	}
	busy, err := b.load(ctx, k.system, busily)
	if err != nil {
		return "", err
	}
	for _, r := range []*report{idle, busy} {
		if c := r.Check; c.Lost+c.Repeated+c.Reordered+c.Foreign+c.Unsequenced > 0 {
			return "", fmt.Errorf("events were lost, repeated or out of order: %+v", c)
		}
	}
	name := k.name
	if strings.HasPrefix(k.system.name, "Sluice") {
		name = "`" + name + "`"
	}
	return fmt.Sprintf("| %s | %s | %.1f KiB | %.0f µs | %.1f µs |\n", name, k.over, idle.Connect.RSSEach/1024, idle.Connect.CPUEach, busy.Delivery.CPUEach), nil
}
