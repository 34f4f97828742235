package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// row is one kind of work, and the systems that do it.
type row struct {
	name    string
	args    []string
	run     func(*bench, context.Context, *system, []string) (*report, error) // nil: the generator, with args
	systems []*system
	unit    string
	value   func(*report) float64
	goal    goal
}

// goal is what the first system is to reach: a figure, or a ratio to another system of the row.
type goal struct {
	to    *system // nil: limit is a figure
	limit float64
	least bool // at least, else at most
}

func words(s string) []string { return strings.Fields(s) }

func perDelivery(r *report) float64 { return r.Delivery.CPUEach }

func perRoom(value func(*rooms) float64) func(*report) float64 {
	return func(r *report) float64 { return value(&r.Rooms) }
}

func perPublish(r *report) float64 { return r.Publish.CPUEach }

// oneStream lets 200 read a stream of 1,000 events, each by a filter of its own, since for one filter the log is read once.
func oneStream() []string {
	return append(words("-n 200 -e 0 --read 1000 --subscribe /realtime?stream=one&from=earliest&until=caught-up&types=bench-0,by-{i} --body"),
		`{"event":"bench-{channel}","stream":"one","data":"{payload}"}`)
}

// rows are all there are.
var rows = slices.Concat(general, transports)

var general = []row{
	{"1,000 subscribers, 20 events/s: CPU a delivery", words("-n 1000 -e 300 -r 20"), nil,
		[]*system{sluice, floorEach, nchan, r3labs, gosse}, "µs", perDelivery, goal{to: floorEach, limit: 1.15}},
	{"1,000 subscribers, 16 publishers at full speed: CPU a delivery", words("-n 1000 -e 8000 -p 16"), nil,
		[]*system{sluice, floorMany}, "µs", perDelivery, goal{limit: .5}},
	{"the same, fewer events for the slower ones", words("-n 1000 -e 1000 -p 16"), nil,
		[]*system{sluice, nchan, r3labs, gosse}, "µs", perDelivery, goal{to: nchan, limit: 1}},
	{"1,000 subscribers, 200 events/s asked for: events/s", words("-n 1000 -e 1000 -r 200"), nil,
		[]*system{sluice, floorMany, nchan, r3labs, gosse}, "/s", func(r *report) float64 { return r.Delivery.PerSecond / 1000 }, goal{limit: 195, least: true}},
	{"the same: time on the way, 99 of 100", words("-n 1000 -e 1000 -r 200"), nil,
		[]*system{sluice, nchan, r3labs, gosse}, "ms", func(r *report) float64 { return r.Delivery.P99 }, goal{limit: 100}},
	// With a subscriber, since r3labs hands on nothing where there is none.
	{"publish, 16 publishers, one event each, one subscriber: CPU", words("-n 1 -e 60000 -p 16"), nil,
		[]*system{sluice, r3labs, gosse, nchan}, "µs", perPublish, goal{to: r3labs, limit: 1}},
	{"the same without a subscriber", words("-n 0 -e 60000 -p 16"), nil,
		[]*system{sluice, floorHTTP}, "µs", perPublish, goal{to: floorHTTP, limit: 1.4}},
	{"publish in batches of 100: CPU an event", words("-n 0 -e 400000 -p 16 --batch 100"), nil,
		[]*system{sluice}, "µs", perPublish, goal{limit: 4}},
	{"publish, DURABILITY=disk, 64 publishers: events/s", words("-n 0 -e 60000 -p 64"), nil,
		[]*system{sluiceDisk}, "/s", func(r *report) float64 { return r.Publish.PerSecond }, goal{limit: 20 * 735, least: true}},
	{"15,000 idle connections: RSS each", words("-n 15000 -e 0 --hold 13s"), nil,
		[]*system{sluice, nchan, r3labs, gosse, floorEach}, "B", func(r *report) float64 { return r.Connect.RSSEach }, goal{limit: 1000}},
	{"15,000 idle connections, a JWT with a list each: RSS each", words("-n 15000 -e 0 --hold 13s"), nil,
		[]*system{sluiceJWT}, "B", func(r *report) float64 { return r.Connect.RSSEach }, goal{limit: 2048}},
	// The gateway remembers 10,000 tokens, so that this is with the grant of each.
	{"10,000 idle connections, a JWT with 20 channels of its own each: RSS each", words("-n 10000 -e 0 --hold 13s --subscribe /realtime"), nil,
		[]*system{sluiceOwn}, "B", func(r *report) float64 { return r.Connect.RSSEach }, goal{limit: 5 << 10}},
	{"10,000 connects, a JWT with 20 channels of its own each: CPU each", words("-n 10000 -e 0 --hold 13s --subscribe /realtime"), nil,
		[]*system{sluiceOwn}, "µs", func(r *report) float64 { return r.Connect.CPUEach }, goal{limit: 95}},
	{"publish to a channel all 15,000 have: CPU a delivery", words("-n 15000 -e 40 -r 4"), nil,
		[]*system{sluiceJWT, sluice}, "µs", perDelivery, goal{to: sluice, limit: 1.3}},
	{"10,000 connects with a credential: CPU each", words("-n 10000 -e 0"), nil,
		[]*system{sluice, floorEach, nchan, r3labs, gosse}, "µs", func(r *report) float64 { return r.Connect.CPUEach }, goal{limit: 90}},
	{"1,000 clients resume, 100 missed each: until all have all", words("-n 1000 -e 0 --resume 100"), nil,
		[]*system{sluice, gosse}, "ms", func(r *report) float64 { return 1000 * r.Connect.Seconds }, goal{limit: 150}},
	{"the same: CPU an event", words("-n 1000 -e 0 --resume 100"), nil,
		[]*system{sluice, gosse}, "µs", func(r *report) float64 { return r.Connect.CPUEach / 100 }, goal{limit: 1}},
	// Its records lie in a block each, which is unpacked for one of them: ten times what neighbours cost, and not a
	// thousand times, as reading all would be.
	{"200 read one stream of 1,000 events out of 1,000,000: CPU an event", oneStream(), nil,
		[]*system{sluiceLong, sluiceOnly}, "µs", func(r *report) float64 { return r.Connect.CPUEach / 1000 }, goal{to: sluiceOnly, limit: 10}},
	{"2,000 subscribers on 200 channels, one used, 16 publishers: CPU a publish", words("-n 2000 --channels 200 --to 1 -e 20000 -p 16"), nil,
		[]*system{sluice, nchan, r3labs}, "µs", perPublish, goal{limit: 150}},
	{"the same, one publisher", words("-n 2000 --channels 200 --to 1 -e 10000"), nil,
		[]*system{sluice, nchan, r3labs}, "µs", perPublish, goal{limit: 150}},
	{"20 subscribers, 12 MB at 1,000/s, 2 stalled: time on the way, 99 of 100", words("-n 20 -e 12000 -r 1000 --size 1000 --stalled 2 --wait 5s"), nil,
		[]*system{sluice, nchan}, "ms", func(r *report) float64 { return r.Delivery.P99 }, goal{limit: 10}},
	{"the same: RSS at the end", words("-n 20 -e 12000 -r 1000 --size 1000 --stalled 2 --wait 5s"), nil,
		[]*system{sluice, nchan}, "MiB", func(r *report) float64 { return r.Delivery.RSS / (1 << 20) }, goal{}},
	{"the same without the stalled: RSS at the end", words("-n 20 -e 12000 -r 1000 --size 1000"), nil,
		[]*system{sluice, nchan}, "MiB", func(r *report) float64 { return r.Delivery.RSS / (1 << 20) }, goal{}},
	// The time of holding back (250 ms after the opening) is over before the first push.
	{"a room of 1,000 WebSockets, 20 pushes/s: CPU a delivery", words(crowdedRoom), nil,
		[]*system{roomSocket, floorSocket, floorGobwas, floorLibrary, roomEvents, floorEach}, "µs", perDelivery, goal{to: floorSocket, limit: 1.25}},
	{"the same room: time on the way, 50 of 100", words(crowdedRoom), nil,
		[]*system{roomSocket, floorSocket, floorGobwas, floorLibrary, roomEvents, floorEach}, "ms", func(r *report) float64 { return r.Delivery.P50 }, goal{}},
	{"the same room: time on the way, 99 of 100", words(crowdedRoom), nil,
		[]*system{roomSocket, floorSocket, floorGobwas, floorLibrary, roomEvents, floorEach}, "ms", func(r *report) float64 { return r.Delivery.P99 }, goal{}},
	{"10,000 idle rooms, a value each, just made: live heap each", nil, (*bench).idleRooms,
		[]*system{roomSocket}, "B", perRoom(func(r *rooms) float64 { return r.made.heap }), goal{limit: roomMost}},
	{"the same rooms: RSS each", nil, (*bench).idleRooms,
		[]*system{roomSocket}, "B", perRoom(func(r *rooms) float64 { return r.made.rss }), goal{limit: roomMost}},
	{"the same rooms after a restart: live heap each", nil, (*bench).idleRooms,
		[]*system{roomSocket}, "B", perRoom(func(r *rooms) float64 { return r.again.heap }), goal{limit: roomMost}},
	{"the same rooms after a restart: RSS each", nil, (*bench).idleRooms,
		[]*system{roomSocket}, "B", perRoom(func(r *rooms) float64 { return r.again.rss }), goal{limit: roomMost}},
	{"documents, create, 16 writers: CPU a request", words(creating), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "µs", perPublish, goal{to: pocketbase, limit: 1}},
	{"documents, create: requests/s", words(creating), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "/s", aSecond, goal{}},
	{"documents, create: time of an answer, 99 of 100", words(creating), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "ms", answered, goal{}},
	{"documents, read by id out of 100,000, 16 readers: CPU a request", words(reading), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "µs", perPublish, goal{to: pocketbase, limit: 1}},
	{"documents, read by id: requests/s", words(reading), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "/s", aSecond, goal{}},
	{"documents, list 100 of 200 that match, newest first, out of 100,000, by an index, 16 readers: CPU a request", words(listing), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "µs", perPublish, goal{to: pocketbase, limit: 1}},
	{"documents, list: requests/s", words(listing), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "/s", aSecond, goal{}},
	{"documents, list: time of an answer, 99 of 100", words(listing), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "ms", answered, goal{}},
	{"documents, the same list without an index, one reader: CPU a request", words(scanning), (*bench).documents,
		[]*system{restdbScan, directusScan, pocketbaseScan}, "µs", perPublish, goal{to: pocketbaseScan, limit: 1}},
	{"documents, 1,000 subscribers, 20 updates/s: CPU a delivery", words(following1000), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "µs", perDelivery, goal{to: pocketbase, limit: 1}},
	{"documents, 1,000 subscribers: time on the way, 99 of 100", words(following1000), (*bench).documents,
		[]*system{restdb, directus, pocketbase}, "ms", func(r *report) float64 { return r.Delivery.P99 }, goal{}},
	{"documents, 1,000 subscribers with a filter each, one matches, 20 updates/s: CPU an update", words(filtering), (*bench).documents,
		[]*system{directus, pocketbase}, "µs", perPublish, goal{to: pocketbase, limit: 1}},
	{"documents, a filter each: time on the way, 99 of 100", words(filtering), (*bench).documents,
		[]*system{directus, pocketbase}, "ms", func(r *report) float64 { return r.Delivery.P99 }, goal{}},
}

// Works on documents.
const (
	creating      = create + " -n 0 -p 16 -e 30000"
	reading       = read + " -n 0 -p 16 -e 30000"
	listing       = list + " -n 0 -p 16 --channels 500 -e 1500"
	scanning      = list + " -n 0 -p 1 --channels 500 -e 20"
	following1000 = update + " -n 1000 -r 20 -e 100"
	filtering     = distinct + " -n 1000 --channels 1000 --to 1 -r 20 -e 100"
)

func aSecond(r *report) float64 { return r.Publish.PerSecond }

func answered(r *report) float64 { return r.Publish.P99 }

// roomMost is 2 KiB and the value.
const roomMost = 2048 + 64

// crowdedRoom is the work of a room with many in it.
const crowdedRoom = "-n 1000 -e 100 -r 20 --hold 1s"

func format(v float64, unit string) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, unit)
	case v < 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
