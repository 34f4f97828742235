// Package ssetest reads event streams in tests, as a browser would.
package ssetest

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// Event is what a reader of a stream gets: the WHATWG text's event, with the last event id that
// holds when it is dispatched.
type Event struct {
	ID    string
	Name  string // "" where no event field was there (a browser says message)
	Data  string
	Retry time.Duration // the reconnection time in force, 0 before the first retry
}

// maxParsed bounds what a Parser holds of one block.
const maxParsed = 16 << 20

// ErrTooLarge is the error of a block that is larger than any frame of ours.
var ErrTooLarge = errors.New("ssetest: a block is larger than 16 MiB")

// Parser reads a stream as the WHATWG HTML standard 9.2.6 says, fed in pieces cut anywhere. It
// shares nothing with the encoder, so that each can test the other. The zero value is ready. Bytes
// that are not UTF-8 pass as they are, where a browser would replace them.
type Parser struct {
	line     []byte // the line under way
	begun    bool   // the byte order mark was looked for
	afterCR  bool   // a LF that follows belongs to the CR before
	tooLarge bool   // there is no way back into the stream after ErrTooLarge
	id       string
	idBuf    string
	name     string
	data     []byte
	retry    time.Duration
}

// LastEventID is the id that a reconnection would send.
func (p *Parser) LastEventID() string { return p.id }

// Feed reads the next piece and returns the events that it completed. Its one error is ErrTooLarge,
// at the same place however the stream is cut, and for good.
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
	// What is empty or beyond 24 days fails here: no delay that anyone means.
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
