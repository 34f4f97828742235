package eventlog

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"sluice/store/rows"
)

// Messages of a shared journal are applied once. A journal recognizes repeats by itself, but only for some minutes of its
// own clock. So each log remembers the number of the last message of each origin, in a row: all logs must agree.

// originLife is how long an origin is remembered after its last message. A message that was sent an hour before it got its
// place is refused (see package journal), so an older one cannot come back.
const originLife = 2 * time.Hour

// origin is what is remembered of an origin.
type origin struct{ number, at uint64 }

// origins are all that are remembered. The committer changes them.
type origins map[uint64]origin

func originRow(id uint64, o origin) Row {
	return Row{Key: fmt.Sprintf("%s%016x", rows.Origin, id), Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, o.number), o.at)}
}

// share reads what a committer needs to apply a shared journal.
func (c *committer) share() error {
	c.origins, c.chains = origins{}, &chains{}
	c.chains.add(Claim{c.applied.Place, c.applied.Chain})
	c.log.proposals.heard(c.applied)
	c.log.clock.follow(c.applied.At)
	return c.origins.load(c.log.engine)
}

// load reads the origins of an engine.
func (s origins) load(engine Reader) error {
	return engine.Rows(rows.Origin, func(r Row) error {
		id, err := strconv.ParseUint(strings.TrimPrefix(r.Key, rows.Origin), 16, 64)
		if err != nil || len(r.Value) != 16 {
			return fmt.Errorf("the row %s cannot be read", r.Key)
		}
		s[id] = origin{binary.BigEndian.Uint64(r.Value), binary.BigEndian.Uint64(r.Value[8:])}
		return nil
	})
}

// fresh reports whether an entry is of a message that was not applied before. If so, the first entry of the message stores
// its number with the group.
func (c *committer) fresh(g *grouping, e *Entry) bool {
	if g.message != e.Place { // the first entry
		g.message, g.repeat = e.Place, c.origin(g, e.Origin).number >= e.Number
		if !g.repeat {
			c.hear(g, e)
		}
	}
	return !g.repeat
}

// origin is what is remembered of an origin, after the entries of the group so far. Without a number, it is nothing.
func (c *committer) origin(g *grouping, id uint64) origin {
	if o, changed := g.origins[id]; changed {
		return o
	}
	return c.origins[id]
}

// hear notes a message. If its origin is new, those that were silent for long are forgotten.
func (c *committer) hear(g *grouping, e *Entry) {
	if g.origins == nil {
		g.origins = origins{}
	}
	if c.origin(g, e.Origin).number == 0 {
		c.forget(g)
	}
	now := origin{e.Number, g.At}
	g.origins[e.Origin] = now
	g.Rows = append(g.Rows, originRow(e.Origin, now))
}

// forget forgets the origins that were silent for long. Which they are must not depend on the group, so those that the group
// has heard of count as well.
func (c *committer) forget(g *grouping) {
	for _, known := range [...]origins{c.origins, g.origins} {
		for id := range known {
			if o := c.origin(g, id); o.number != 0 && o.at+uint64(originLife.Microseconds()) < g.At {
				g.origins[id] = origin{}
				g.Rows = append(g.Rows, Row{Key: originRow(id, o).Key})
			}
		}
	}
}

// install takes over what a stored group has changed.
func (s origins) install(changed origins) {
	for id, o := range changed {
		if s[id] = o; o.number == 0 {
			delete(s, id)
		}
	}
}

// The chain is a hash of all outcomes so far. Logs that apply the same journal have the same chain at each place.

// link adds the outcome of an entry to a chain.
func link(chain uint64, e *Entry) uint64 {
	h := fnv.New64a()
	var b [25]byte
	binary.BigEndian.PutUint64(b[:], chain)
	binary.BigEndian.PutUint64(b[8:], e.Place)
	binary.BigEndian.PutUint64(b[16:], e.first)
	if e.err != nil {
		b[24] = 1
	}
	_, _ = h.Write(b[:]) // a hash returns no errors
	return h.Sum64()
}

// chainsKept is the number of places whose chains are remembered, to compare others' claims with.
const chainsKept = 4096

// chains are the chains at the last places.
type chains [chainsKept]Claim

func (s *chains) add(c Claim) { s[c.Place%chainsKept] = c }

// agrees compares a claim with this log's own chain. It reports false for known too if the place is too old to tell.
func (s *chains) agrees(c Claim) (agrees, known bool) {
	own := s[c.Place%chainsKept]
	return own == c, own.Place == c.Place && c.Place != 0
}
