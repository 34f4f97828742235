package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
)

// inRooms reports whether the channels are rooms.
func (o *Options) inRooms() bool { return strings.Contains(o.Subscribe+o.Publish, "{room}") }

// makeRooms makes a room for each channel, if the channels are rooms.
func (p *publishers) makeRooms(ctx context.Context) error {
	p.rooms = make([]string, p.o.Channels)
	if !p.o.inRooms() {
		return nil
	}
	var made atomic.Int64
	return p.together(ctx, func(ctx context.Context, _ int, r *requester) error {
		for ctx.Err() == nil {
			i := int(made.Add(1)) - 1
			if i >= len(p.rooms) {
				break
			}
			head, err := p.o.request("POST", "/new", []string{"Content-Length: 0"}, 0, i)
			if err != nil {
				return err
			}
			text, err := r.send(ctx, []byte(head), false)
			if err != nil {
				return fmt.Errorf("making a room: %w", err)
			}
			var room struct{ Room string }
			if err := json.Unmarshal(text, &room); err != nil || room.Room == "" {
				return fmt.Errorf("making a room: the answer %.200q has no room", text)
			}
			p.rooms[i] = room.Room
		}
		return nil
	})
}

// seqs checks the numbers of a room's messages, which follow "seq": in the bytes that arrive. Each must be one more than
// the number before.
type seqs struct {
	rest  []byte // bytes that may be the beginning of a number
	last  uint64
	wrong *uint64 // counts the numbers that are not
}

var seqMark = []byte(`"seq":`)

func (s *seqs) take(p []byte) {
	if len(s.rest) > 0 {
		p = append(s.rest, p...)
	}
	for {
		at := bytes.Index(p, seqMark)
		if at < 0 {
			p = p[max(0, len(p)-len(seqMark)+1):]
			break
		}
		var n uint64
		i := at + len(seqMark)
		for ; i < len(p) && p[i] >= '0' && p[i] <= '9'; i++ {
			n = 10*n + uint64(p[i]-'0')
		}
		if i == len(p) {
			p = p[at:] // more digits may come
			break
		}
		if s.last > 0 && n != s.last+1 {
			*s.wrong++
		}
		s.last = n
		p = p[i:]
	}
	s.rest = append(s.rest[:0:0], p...)
}
