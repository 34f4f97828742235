package writers

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"sluice/handlers/wsframe"
	"sluice/store/pause"
)

// This file is the reader of a socket that has goroutines of its own.

// heard is what the reader has for the writer: an event of the client, or that a message was handled.
type heard struct {
	event   wsframe.Event
	handled bool
	err     error
}

// read reads until the client is gone, or the socket ends. It begins with bytes that were read before.
func (g *goroutineSocket) read(b []byte) error {
	buffer := make([]byte, 4<<10)
	begun := time.Time{} // when the message or frame that is not whole was first waited for
	for {
		whole, err := g.understand(b)
		if err != nil {
			return err
		}
		deadline := time.Time{}
		if whole {
			begun = time.Time{}
		}
		if g.web.reader.Under() {
			if begun.IsZero() {
				begun = time.Now()
			}
			deadline = begun.Add(g.web.options.ReadTimeout)
		}
		if err := g.conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := g.conn.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if !pause.Since(begun) {
				return errHalf
			}
			begun, err = time.Time{}, nil
		}
		if n == 0 && err != nil {
			return err
		}
		b = buffer[:n]
	}
}

// understand passes on what the next bytes of a client ask for. It returns true if what had begun has come to its end.
func (g *goroutineSocket) understand(b []byte) (whole bool, err error) {
	w := g.web
	for len(b) > 0 {
		w.reader.Limit = w.conv.MaxMessage()
		rest, e, err := w.reader.Read(b)
		if err != nil {
			return whole, err
		}
		b = rest
		whole = whole || e.Kind != wsframe.Partial && !w.reader.Under()
		switch {
		case e.Kind == wsframe.Partial:
		case e.Kind != wsframe.Whole:
			err = g.tell(heard{event: e})
		case w.options.Exclusive:
			if err = g.tell(heard{event: e}); err == nil {
				err = g.wait()
			}
		default:
			err = g.take(e.Message)
		}
		if err != nil {
			return whole, err
		}
	}
	return whole, nil
}

// tell gives something to the writer.
func (g *goroutineSocket) tell(h heard) error {
	select {
	case g.heard <- h:
		return nil
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

// wait waits until the answer to a message was sent.
func (g *goroutineSocket) wait() error {
	select {
	case <-g.on:
		return nil
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

// take handles a message. Its context lasts until the answer was sent.
func (g *goroutineSocket) take(m *wsframe.Message) error {
	ctx, end := context.WithCancel(g.ctx)
	defer end()
	err := g.takeIn(ctx, m)
	if err := g.tell(heard{handled: true, err: err}); err != nil {
		return err
	}
	return g.wait()
}

func (g *goroutineSocket) takeIn(ctx context.Context, m *wsframe.Message) error {
	defer m.Release()
	g.taking.Store(true)
	defer g.taking.Store(false)
	return g.web.conv.Take(ctx, m)
}

// hear does what the reader asks for.
func (g *goroutineSocket) hear(h *heard) *Closing {
	switch h.event.Kind {
	case wsframe.Ping:
		if err := g.write(wsframe.AppendPong(nil, h.event.Payload)); err != nil {
			return g.endAfterWriteError(err)
		}
		return nil
	case wsframe.Pong:
		g.web.pongBy = 0
		return nil
	case wsframe.Close:
		return &Closing{Reason: Gone, Code: h.event.Code}
	case wsframe.Whole:
		return g.takeExclusive(h.event.Message)
	}
	g.web.pongBy = 0
	if h.err != nil {
		return g.fail(h.err)
	}
	g.web.conv.Taken()
	g.owes = true
	return nil
}

// takeExclusive handles a message, and sends its answer.
func (g *goroutineSocket) takeExclusive(m *wsframe.Message) *Closing {
	ctx, end := context.WithCancel(g.ctx)
	defer end()
	g.web.pongBy = 0
	if err := g.takeIn(ctx, m); err != nil {
		return g.fail(err)
	}
	g.web.conv.Taken()
	g.owes = true
	_, closing := g.say() // before the context ends
	return closing
}

// endOfReader returns how a socket ends whose reader has ended.
func (g *goroutineSocket) endOfReader(err error) *Closing {
	if reason := g.Subscriber.Ending(); reason != "" {
		return g.closing(reason, nil)
	}
	if g.cut.Load() {
		return &Closing{Reason: Slow}
	}
	if errors.Is(err, errPanic) {
		return g.closing("", err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		err = nil
	}
	c := faulty(err)
	return &c
}

// close sends a close, and waits a moment for the client's: to close a connection with unread input would destroy what is on
// its way.
func (g *goroutineSocket) close(end *Closing) {
	limit := time.NewTimer(lingerOf(end.Reason))
	defer limit.Stop()
	defer time.AfterFunc(lingerOf(end.Reason), func() {
		defer g.contain()
		g.closer()
	}).Stop()
	if g.write(wsframe.AppendClose(nil, end.Code, end.Text)) != nil {
		return
	}
	for {
		select {
		case h := <-g.heard:
			if h.event.Kind == wsframe.Close {
				return
			}
			if m := h.event.Message; m != nil {
				m.Release()
			}
			if h.event.Kind == wsframe.Whole || h.handled {
				g.on <- struct{}{}
			}
		case <-g.gone:
			return
		case <-limit.C:
			return
		}
	}
}
