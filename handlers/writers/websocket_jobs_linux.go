package writers

import (
	"context"
	"time"

	"sluice/handlers/wsframe"
	"sluice/store/share"
)

// jobDone is a goroutine of a socket that has ended.
type jobDone struct {
	stream *Stream
	took   bool // it has handled a message
	err    error
}

// remote is a socket of a shard, as goroutines see it that work for it.
type remote struct {
	shard  *shard
	stream *Stream
}

// Written returns how many bytes the connection has taken.
func (r remote) Written() int64 { return r.stream.web.written.Load() }

// Cut drops the connection soon.
func (r remote) Cut() {
	r.stream.web.shared.flags.cut.Store(true)
	r.shard.poke(r.stream)
}

// begin makes the context of a goroutine that works for a socket.
func (sh *shard) begin(s *Stream) (context.Context, context.CancelFunc) {
	s.web.shared.jobs++
	return context.WithCancel(share.WithConn(context.Background(), remote{sh, s}))
}

// leave tells the goroutines of a socket that it ends.
func (h *sharedSocket) leave() {
	for _, end := range []*context.CancelFunc{&h.endTake, &h.endWork} {
		if *end != nil {
			(*end)()
			*end = nil
		}
	}
	h.unread = nil
}

// startTake has a message handled. Its context lasts until the answer was sent.
func (sh *shard) startTake(s *Stream, m *wsframe.Message) {
	h := &s.web.shared
	ctx, end := sh.begin(s)
	h.taking, h.endTake = true, end
	job := &jobDone{stream: s, took: true, err: errPanic}
	sh.jobs.Go(func() {
		defer sh.done(job)
		defer s.contain()
		defer m.Release()
		job.err = s.web.conv.Take(ctx, m)
	})
}

// startWork has something done that may wait.
func (sh *shard) startWork(s *Stream) {
	h := &s.web.shared
	ctx, end := sh.begin(s)
	h.working, h.endWork = true, end
	job := &jobDone{stream: s, err: errPanic}
	sh.jobs.Go(func() {
		defer sh.done(job)
		defer end()
		defer s.contain()
		job.err = s.web.conv.Work(ctx)
	})
}

// done gives the shard its socket back.
func (sh *shard) done(job *jobDone) {
	sh.mu.Lock()
	sh.returns = append(sh.returns, *job)
	sh.mu.Unlock()
	sh.group.Kick()
}

// returnJob goes on with a socket whose job is done.
func (sh *shard) returnJob(job *jobDone) {
	s := job.stream
	sh.serving = s
	defer sh.dropPanicking()
	w := s.web
	h := &w.shared
	h.jobs--
	if job.took {
		h.taking = false
	} else {
		h.working, h.endWork = false, nil
	}
	switch {
	case s.socket.phase == closed:
		s.endIfAlone()
		return
	case s.socket.phase != open:
		return
	}
	if job.took && job.err == nil {
		w.conv.Taken()
		h.owes = true
	}
	if h.missed && !w.busy() {
		h.missed = false
		w.conv.Woken(nil)
	}
	if job.err != nil {
		sh.fail(s, job.err, time.Now())
		return
	}
	sh.step(s)
}
