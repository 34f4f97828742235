//go:build linux

package clustertest_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"sluice/broker/sse/ssetest"
	"sluice/cluster/clustertest"
)

// part is what a reader got on one connection: the ids of events after a position. It must be a part of the log.
type part struct {
	url   string
	after uint64
	ids   []uint64
}

// quiet is the time without a byte after which a reader tries another gateway. Pings come each second.
const quiet = 5 * time.Second

// read starts the readers, which end with ctx. Each hops from gateway to gateway.
func (x *chaos) read(ctx context.Context) {
	for r := range 3 {
		x.reading.Go(func() { x.hop(ctx, r) })
	}
	x.reading.Go(func() { x.ahead(ctx) })
}

// hop reads some events at a gateway, and goes on at another one by its last id.
func (x *chaos) hop(ctx context.Context, r int) {
	last := ""
	for n := r; ctx.Err() == nil; n++ {
		p := x.connect(ctx, x.urls[n%len(x.urls)], last, 5+rand.IntN(200))
		if p != nil {
			last = p.last
		}
	}
}

// ahead comes to a gateway with an id that another one has just given.
func (x *chaos) ahead(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		x.record.mu.Lock()
		id, where := x.newest, x.where
		x.record.mu.Unlock()
		if url := x.urls[n%len(x.urls)]; id != "" && url != where {
			x.connect(ctx, url, id, 3)
		} else {
			pause(ctx, time.Millisecond)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// connection is a stream that is being read.
type connection struct {
	part
	last  string // id, to go on with
	ended string // the name of the last frame, if the gateway ended it
}

// connect reads up to most events after an id; "": from now on. It returns nil if there was no stream.
func (x *chaos) connect(ctx context.Context, url, after string, most int) *connection {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(quiet, cancel) // ended by the next line
	defer idle.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/realtime", nil)
	if err != nil {
		x.t.Error(err)
		return nil
	}
	r.Header.Set("X-Apikey", clustertest.Key)
	r.Header.Set("Accept", "text/event-stream")
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	answer, err := (&http.Client{Transport: x.client.Transport}).Do(r) // without a limit in time
	if err != nil {
		pause(ctx, 50*time.Millisecond)
		return nil
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		if answer.StatusCode != http.StatusBadGateway {
			x.t.Errorf("a stream is refused with %s", answer.Status)
		}
		pause(ctx, 50*time.Millisecond)
		return nil
	}
	c := &connection{part: part{url: url}, last: after}
	c.part.after, _ = strconv.ParseUint(after, 10, 64)
	x.follow(c, answer.Body, idle, most)
	x.mu.Lock()
	x.parts = append(x.parts, c.part)
	x.mu.Unlock()
	x.record.mu.Lock()
	x.hops++
	x.delivered += len(c.ids)
	x.record.mu.Unlock()
	if c.ended != "" {
		pause(ctx, 50*time.Millisecond)
	}
	return c
}

// follow reads a stream until it ends or has given enough.
func (x *chaos) follow(c *connection, body io.Reader, idle *time.Timer, most int) {
	var parser ssetest.Parser
	piece := make([]byte, 64<<10)
	for {
		n, err := body.Read(piece)
		idle.Reset(quiet)
		events, bad := parser.Feed(piece[:n])
		if bad != nil {
			x.t.Error(bad)
			return
		}
		for _, e := range events {
			x.frame(c, e)
			if len(c.ids) >= most || c.ended != "" {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// frame takes a frame.
func (x *chaos) frame(c *connection, e ssetest.Event) {
	if e.Name == "busy" || e.Name == "end" {
		if c.ended = e.Name; e.Retry <= 0 {
			x.t.Errorf("%s has no retry: %v", e.Name, e)
		}
		return
	}
	id, err := strconv.ParseUint(e.ID, 10, 64)
	if err != nil {
		x.t.Errorf("a frame without an id: %v", e)
		return
	}
	switch {
	case e.Name == "gap":
		x.t.Errorf("%s: a gap after %s: %s", c.url, c.last, e.Data)
		c.ended = e.Name
	case e.Name == "": // the first one
		if c.part.after == 0 {
			c.part.after = id
		}
	case e.Name != "ping":
		c.ids = append(c.ids, id)
	}
	c.last = e.ID
}
