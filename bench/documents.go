package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Works on documents, each in the words of a door.
const (
	create   = "create"
	read     = "read"
	list     = "list"
	update   = "update"   // including the messages to subscribers
	distinct = "distinct" // the same, and each subscriber asks for something else, only one for what is updated
)

// needed is how many documents there are before a work, numbered as they are made, and in 500 rooms in turn. Works that
// need as many share a server; the last has its own, or what the one before wrote would be sent at its beginning.
var needed = map[string]string{create: "1", read: "100000", list: "100000", update: "1", distinct: "2"}

// made is a text as long as a payload. It is none, or it would be taken for an event that was not asked for.
var made = strings.Repeat("0123456789", 20)

const (
	filter  = `{"room":{"_eq":"r{channel}"}}`
	private = `{"room":"r{channel}","text":"{payload}"}`
	// elsewhere is in no room that a later work asks for.
	elsewhere = `{"room":"elsewhere","text":"{payload}"}`
)

var (
	restdbWords = map[string][]string{
		"fill": {"--publish", "/rest/bench", "--body", `{"_id":"doc000{n}","room":"r{channel}","text":"` + made + `"}`},
		create: {"--publish", "/rest/bench", "--body", elsewhere},
		read:   {"--method", "GET", "--publish", "/rest/bench/doc000{n}", "--body="},
		list:   {"--method", "GET", "--publish", `/rest/bench?q={"room":"r{channel}"}&sort=_created&dir=-1&max=100`, "--body="},
		update: {"--method", "PUT", "--publish", "/rest/bench/doc000000000000", "--body", private, "--subscribe", "/realtime?channels=PUT:bench", "--count", "event: put"},
	}
	directusWords = map[string][]string{
		"fill":   {"--publish", "/items/bench", "--body", `{"id":"doc000{n}","room":"r{channel}","text":"` + made + `"}`},
		create:   {"--publish", "/items/bench", "--body", elsewhere},
		read:     {"--method", "GET", "--publish", "/items/bench/doc000{n}", "--body="},
		list:     {"--method", "GET", "--publish", "/items/bench?filter=" + filter + "&sort=-date_created&limit=100", "--body="},
		update:   following(`{"room":{"_eq":"r0"}}`),
		distinct: following(filter),
	}
	pocketbaseWords = map[string][]string{
		"fill":   {"--publish", "/api/collections/bench/records", "--body", `{"id":"doc000{n}","room":"r{channel}","text":"` + made + `"}`},
		create:   {"--publish", "/api/collections/bench/records", "--body", elsewhere},
		read:     {"--method", "GET", "--publish", "/api/collections/bench/records/doc000{n}", "--body="},
		list:     {"--method", "GET", "--publish", "/api/collections/bench/records?filter=(room='r{channel}')&sort=-created&perPage=100&skipTotal=1", "--body="},
		update:   pursuing("r0"),
		distinct: pursuing("r{channel}"),
	}
)

// following is an update by Directus' REST, with messages to sockets.
func following(filter string) []string {
	return []string{"--method", "PATCH", "--publish", "/items/bench/doc000000000000", "--body", private, "--websocket", "--subscribe", "/websocket",
		"--say", `{"type":"auth","access_token":"` + key + `"}`,
		"--say", `{"type":"subscribe","collection":"bench","uid":"1","query":{"fields":["id","text"],"filter":` + filter + `}}`,
		"--ready", `"event":"init"`}
}

// pursuing is an update of PocketBase's, with messages to streams.
func pursuing(room string) []string {
	return []string{"--method", "PATCH", "--publish", "/api/collections/bench/records/doc000000000000", "--body", private,
		"--subscribe", `/api/realtime?subscribe=bench/*%3Foptions=%7B%22query%22:%7B%22fields%22:%22id,text%22,%22filter%22:%22room=%27` + room + `%27%22%7D%7D`,
		"--ready", "PB_CONNECT"}
}

// doors are the systems that have documents.
var doors = map[*system]map[string][]string{
	restdb: restdbWords, restdbScan: restdbWords, directus: directusWords, directusScan: directusWords,
	pocketbase: pocketbaseWords, pocketbaseScan: pocketbaseWords,
}

func pocket(args ...string) func(*bench, string, string) *exec.Cmd {
	return func(b *bench, addr, dir string) *exec.Cmd {
		return program("pocketbase", append(args, "-dir", filepath.Join(dir, "pocketbase"))...)(b, addr, dir)
	}
}

// documents does the work that the first argument names, on a server to which the documents that it needs were
// written: it has what it writes in memory as one has that runs, and not as one that was just started.
func (b *bench) documents(ctx context.Context, s *system, args []string) (*report, error) {
	r, err := b.filled(ctx, s, needed[args[0]])
	if err != nil {
		return nil, fmt.Errorf("making documents: %w", err)
	}
	return b.generate(ctx, s, r.addr, r.cmd.Process.Pid, slices.Concat(doors[s][args[0]], args[1:]))
}

// running is a server that is kept for the next work.
type running struct {
	addr, dir string
	cmd       *exec.Cmd
}

// filled is the server with that number of documents.
func (b *bench) filled(ctx context.Context, s *system, n string) (*running, error) {
	name := s.name + ", " + n
	if r := b.servers[name]; r != nil {
		return r, nil
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	r := &running{dir: dir}
	if r.addr, err = freeAddress(); err == nil {
		r.cmd, err = b.start(ctx, s, r.addr, dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	b.servers[name] = r
	fill := append(words("-n 0 -p 16 --channels 500 -e "+n), doors[s]["fill"]...)
	_, err = b.generate(ctx, s, r.addr, r.cmd.Process.Pid, fill)
	time.Sleep(3 * time.Second) // it puts away what was written
	return r, err
}

func (b *bench) stopAll() {
	for _, r := range b.servers {
		stop(r.cmd)
		_ = os.RemoveAll(r.dir) // in the folder for what is temporary
	}
}
