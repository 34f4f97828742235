package writers

import (
	"context"
	"sync"

	"sluice/broker"
	"sluice/store/share"
)

// fetched is the result of reading the log for a stream.
type fetched struct {
	stream   *Stream
	block    *broker.Block
	progress broker.Progress
	err      error
}

// fetches reads the log for streams that are behind. It does so outside the shard's goroutine, since reading may wait for
// the disk. It has few goroutines, and only while there is something to read.
type fetches struct {
	shard  *shard
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	ready chan struct{} // holds a token for each block that is read or waits for the shard

	mu      sync.Mutex
	queue   *share.Queue[*Stream] // owners take turns: one stream behind does not wait for another owner's thousand
	running int
}

const fetchers = 4

// readAhead bounds the blocks that wait for a shard: while it was busy, its fetchers read one for every stream that was behind.
const readAhead = 32

func (f *fetches) init(sh *shard) {
	f.shard, f.queue = sh, share.NewQueue[*Stream]()
	f.ready = make(chan struct{}, readAhead)
	f.ctx, f.cancel = context.WithCancel(context.Background())
}

func (f *fetches) close() {
	f.cancel()
	f.group.Wait()
}

// add queues a stream. Its cursor belongs to the fetches until the shard gets it back.
func (f *fetches) add(s *Stream) {
	s.socket.fetching = true
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue.Push(s.Owner(), s)
	if f.running < fetchers {
		f.running++
		f.group.Go(f.run)
	}
}

func (f *fetches) run() {
	for {
		s := f.next()
		if s == nil {
			return
		}
		select {
		case f.ready <- struct{}{}:
		case <-f.ctx.Done(): // the shard has ended, and ignores results
		}
		read := f.fetch(s)
		sh := f.shard
		sh.mu.Lock()
		sh.fetched = append(sh.fetched, read)
		sh.mu.Unlock()
		sh.group.Kick()
	}
}

// fetch reads what comes next for a stream. A panic is an error of this stream.
func (f *fetches) fetch(s *Stream) (read fetched) {
	read = fetched{stream: s, err: errPanic}
	defer func() {
		if cause := recover(); cause != nil {
			s.Lease.Panicked(cause)
		}
	}()
	// Another stream may have read the same block by now.
	read.block, read.progress, read.err = s.Subscriber.Next(share.With(f.ctx, s.Owner()), &broker.Block{}, batchBytes)
	return read
}

func (f *fetches) next() *Stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.queue.Pop()
	if !ok {
		f.running--
	}
	return s
}

// returnFetched gives a stream back to the shard, with the result.
func (sh *shard) returnFetched(f *fetched) {
	s := f.stream
	sh.serving = s
	defer sh.dropPanicking()
	k := &s.socket
	k.fetching = false
	<-sh.fetches.ready
	switch {
	case k.phase == closed:
		s.endIfAlone()
		return
	case k.phase != open:
		return // it is ending, and needs no more events
	case f.err != nil:
		sh.finish(s, Failed, f.err)
		return
	}
	if reason := s.Subscriber.Ending(); reason == "" && f.progress == broker.More && !k.blocked {
		if !sh.send(s, f.block) {
			return
		}
	}
	sh.serveAgain(s)
}
