// Package ssetest reads event streams in tests, as a browser would.
package ssetest

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// Event is an event as the WHATWG HTML standard defines it.
type Event struct {
	ID    string // the last event id at this event
	Name  string // "" if there is no field event (a browser uses message)
	Data  string
	Retry time.Duration // the reconnection time at this event; 0 before the first retry
}

// maxParsed is the largest frame that a Parser accepts, in bytes.
const maxParsed = 16 << 20

// ErrTooLarge is the error of a frame that is larger than any of the gateway's.
var ErrTooLarge = errors.New("ssetest: a block is larger than 16 MiB")

// Parser reads a stream by the WHATWG HTML standard section 9.2.6, in pieces of any length. It shares nothing with the
// encoder, so that each can test the other. The zero value is ready for use. Bytes that are not UTF-8 pass unchanged; a
// browser would replace them.
type Parser struct {
	line     []byte // the beginning of a line
	begun    bool   // the byte order mark, if any, was removed
	afterCR  bool   // a LF that follows belongs to the CR before
	tooLarge bool   // after ErrTooLarge, the stream cannot be read further
	id       string
	idBuf    string
	name     string
	data     []byte
	retry    time.Duration
}

// LastEventID returns the id that a reconnection would send.
func (p *Parser) LastEventID() string { return p.id }

// Feed reads the next piece and returns the events that it completes. Its only error is ErrTooLarge, which comes at the
// same byte whatever the pieces are, and at every later call.
func (p *Parser) Feed(piece []byte) ([]Event, error) {
	if p.tooLarge {
		return nil, ErrTooLarge
	}
	var out []Event
	for len(piece) > 0 {
		if p.afterCR {
			p.afterCR = false
			if piece[0] == '\n' {
				piece = piece[1:]
				continue
			}
		}
		n := bytes.IndexAny(piece, "\r\n")
		ended := n >= 0
		if !ended {
			n = len(piece)
		}
		if len(p.line)+n+len(p.data) > maxParsed {
			*p = Parser{tooLarge: true, id: p.id}
			return out, ErrTooLarge
		}
		p.line = append(p.line, piece[:n]...)
		if !ended {
			return out, nil
		}
		p.afterCR = piece[n] == '\r'
		piece = piece[n+1:]
		if e, ok := p.endLine(); ok {
			out = append(out, e)
		}
	}
	return out, nil
}

func (p *Parser) endLine() (Event, bool) {
	line := p.line
	p.line = p.line[:0]
	if !p.begun {
		p.begun = true
		line = bytes.TrimPrefix(line, []byte("\xEF\xBB\xBF"))
	}
	if len(line) == 0 {
		return p.dispatch()
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		p.name = string(value)
	case "data":
		p.data = append(append(p.data, value...), '\n')
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.idBuf = string(value)
		}
	case "retry":
		p.setRetry(value)
	}
	return Event{}, false
}

func (p *Parser) setRetry(value []byte) {
	for _, b := range value {
		if b < '0' || b > '9' {
			return
		}
	}
	// This ignores an empty value and one over 24 days, which nobody means.
	if ms, err := strconv.ParseInt(string(value), 10, 32); err == nil {
		p.retry = time.Duration(ms) * time.Millisecond
	}
}

func (p *Parser) dispatch() (Event, bool) {
	p.id = p.idBuf
	name, data := p.name, p.data
	p.name, p.data = "", p.data[:0]
	if len(data) == 0 {
		return Event{}, false
	}
	return Event{ID: p.id, Name: name, Data: string(data[:len(data)-1]), Retry: p.retry}, true
}
