package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// system is a server under measurement.
type system struct {
	name  string
	start func(b *bench, addr, dir string) *exec.Cmd
	args  []string // of the generator
}

const (
	key    = "bench-key-0123456789"
	secret = "0123456789abcdef0123456789abcdef"
)

// plain is the request to peers and floors: a path for the channel, and the payload as it is.
var plain = []string{"--subscribe", "/events?channel=bench-{channel}", "--publish", "/publish?channel=bench-{channel}", "--body", "{payload}", "--content-type", "text/plain"}

// pushing is how values are pushed into rooms. The room retains the last one only.
var pushing = []string{"--publish", "/room/{room}/send", "--body", `{"type":"push","key":"bench","value":"{payload}","action":{"type":"replace"}}`}

// ownChannels are the names of n channels that no other subscriber has.
func ownChannels(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("topic%02d-{i}", i)
	}
	return strings.Join(names, ",")
}

func program(name string, args ...string) func(*bench, string, string) *exec.Cmd {
	return func(b *bench, addr, _ string) *exec.Cmd {
		return exec.Command(filepath.Join(b.bin, name), append([]string{"-addr", addr}, args...)...)
	}
}

func gateway(settings ...string) func(*bench, string, string) *exec.Cmd {
	return func(b *bench, addr, dir string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(b.bin, "sluice"))
		cmd.Env = append(os.Environ(), "ADDR="+addr, "DATA_DIR="+filepath.Join(dir, "data"), "LOG_LEVEL=warn", "JWT_SECRET="+secret,
			`API_KEYS=[{"name":"bench","key":"`+key+`","sub":["*"],"pub":["*"],"rest":["*"]}]`)
		cmd.Env = append(cmd.Env, settings...)
		return cmd
	}
}

func nginx(b *bench, addr, dir string) *exec.Cmd {
	text, err := os.ReadFile(filepath.Join(b.root, "bench/peers/nchan/nginx.conf.template"))
	conf := filepath.Join(dir, "nginx.conf")
	if err == nil {
		err = os.WriteFile(conf, []byte(strings.NewReplacer("{{ADDR}}", addr, "{{DIR}}", dir).Replace(string(text))), 0o644)
	}
	if err != nil {
		return &exec.Cmd{Err: err}
	}
	return exec.Command("nginx", "-c", conf, "-p", dir)
}

var (
	withKey = []string{"-H", "x-apikey: " + key}
	withOwn = []string{"-H", "Authorization: Bearer {token}", "--jwt-secret", secret, "--jwt-sub", ownChannels(20)}
	withJWT = []string{"-H", "Authorization: Bearer {token}", "--jwt-secret", secret, "--jwt-sub", "inbox-{i},bench-{channel}"}

	sluice         = &system{"Sluice", gateway(), withKey}
	sluiceJWT      = &system{"Sluice, a JWT each", gateway(), withJWT}
	sluiceOwn      = &system{"Sluice, a JWT each", gateway(), withOwn}
	sluiceLong     = &system{"Sluice, among 999,000 others", gateway(), append([]string{"--among", "999000"}, withKey...)}
	sluiceOnly     = &system{"Sluice, only that stream", gateway(), withKey}
	sluiceDisk     = &system{"Sluice, DURABILITY=disk", gateway("DURABILITY=disk"), withKey}
	r3labs         = &system{"r3labs/sse", program("r3labs"), plain}
	gosse          = &system{"tmaxmax/go-sse", program("gosse", "-replay", "1000"), plain}
	nchan          = &system{"Nchan", nginx, plain}
	roomSocket     = &system{"Sluice", gateway("ROOM_CREATE=open", "ROOM_CREATE_RATE=1000000", "ROOM_CREATE_RATE_ALL=1000000", "MAX_ROOMS=1000000"), append([]string{"--websocket", "--subscribe", "/room/{room}/connect"}, pushing...)}
	roomEvents     = &system{"Sluice, GET …/events", gateway("ROOM_CREATE=open", "ROOM_CREATE_RATE=1000000", "ROOM_CREATE_RATE_ALL=1000000", "MAX_ROOMS=1000000"), append([]string{"--subscribe", "/room/{room}/events"}, pushing...)}
	restdb         = &system{"Sluice", gateway("COLLECTION_INDEXES=bench:room"), withKey}
	restdbScan     = &system{"Sluice, no index", gateway(), withKey}
	directus       = &system{"Sluice, Directus' way", gateway("COLLECTION_INDEXES=bench:room"), withKey}
	directusScan   = &system{"Sluice, Directus' way, no index", gateway(), withKey}
	pocketbase     = &system{"PocketBase", pocket("-index"), nil}
	pocketbaseScan = &system{"PocketBase, no index", pocket(), nil}
	floorEach      = &system{"floor: a write each", program("floor"), plain}
	floorMany      = &system{"floor: coalescing", program("floor", "-coalesce"), plain}
	floorSocket    = &system{"floor: a WebSocket's write each", program("floor", "-websocket"), append(plain, "--websocket")}
	floorLibrary   = &system{"floor: coder/websocket", program("socket"), append(plain, "--websocket")}
	floorHTTP      = &system{"floor: net/http and JSON", program("nethttp"), []string{"--publish", "/publish"}}
)

// report is what the generator prints.
type report struct {
	Connect struct {
		Seconds float64 `json:"seconds"`
		CPUEach float64 `json:"cpu_us_each"`
		RSSEach float64 `json:"rss_each"`
	} `json:"connect"`
	Publish struct {
		PerSecond float64 `json:"per_second"`
		CPUEach   float64 `json:"cpu_us_each"`
		P99       float64 `json:"p99_ms"`
	} `json:"publish"`
	Delivery struct {
		PerSecond float64 `json:"per_second"`
		CPUEach   float64 `json:"cpu_us_each"`
		RSS       float64 `json:"rss"`
		P50       float64 `json:"p50_ms"`
		P99       float64 `json:"p99_ms"`
	} `json:"delivery"`
	Check struct {
		Lost, Repeated, Reordered, Foreign, Unsequenced uint64
	} `json:"check"`
	Rooms rooms `json:"-"` // of idleRooms only
}

// measure runs a row's work on a system. Rows with the same work show the same run.
func (b *bench) measure(ctx context.Context, s *system, r *row) (*report, error) {
	run := r.run
	if run == nil {
		run = (*bench).load
	}
	name := fmt.Sprint(s.name, r.args, r.run != nil)
	if b.reports[name] == nil {
		m, err := run(b, ctx, s, r.args)
		if err != nil {
			return nil, err
		}
		b.reports[name] = m
	}
	return b.reports[name], nil
}

// load starts the system on one processor and runs the generator on another.
func (b *bench) load(ctx context.Context, s *system, args []string) (*report, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd, err := b.start(ctx, s, addr, dir)
	if err != nil {
		return nil, err
	}
	defer stop(cmd)
	return b.generate(ctx, s, addr, cmd.Process.Pid, args)
}

// start starts the system, and waits until it listens.
func (b *bench) start(ctx context.Context, s *system, addr, dir string) (*exec.Cmd, error) {
	cmd := s.start(b, addr, dir)
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	var err error
	cmd.Args = append([]string{"taskset", "-c", "0", cmd.Path}, cmd.Args[1:]...)
	if cmd.Path, err = exec.LookPath("taskset"); err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting it: %w", err)
	}
	if err := listening(ctx, addr); err != nil {
		stop(cmd)
		return nil, err
	}
	return cmd, nil
}

func (b *bench) generate(ctx context.Context, s *system, addr string, pid int, args []string) (*report, error) {
	all := []string{"-c", "1", filepath.Join(b.bin, "sluice"), "bench", "--json"}
	for _, p := range family(pid) {
		all = append(all, "--pid", strconv.Itoa(p))
	}
	all = append(all, s.args...)
	all = append(all, args...)
	scheme := "http://"
	if slices.Contains(s.args, anyCertificate) {
		scheme = "https://"
	}
	cmd := exec.CommandContext(ctx, "taskset", append(all, scheme+addr)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	var r report
	if jerr := json.Unmarshal(text, &r); jerr != nil {
		return nil, errors.Join(err, jerr)
	}
	// A peer that loses events is a result, not an error.
	return &r, nil
}

// family is a process and its children, as nginx' workers.
func family(pid int) []int {
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	for _, f := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(f); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func listening(ctx context.Context, addr string) error {
	for range 200 {
		conn, err := net.DialTimeout("tcp4", addr, time.Second)
		if err == nil {
			time.Sleep(500 * time.Millisecond)
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("it does not listen")
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}
