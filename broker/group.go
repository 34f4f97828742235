package broker

// Group has the subscribers that one goroutine writes for. An event wakes the goroutine once, even if it is for many of
// them.
type Group struct {
	broker *Broker
	wake   chan struct{}
	single bool       // it has only one subscriber, whose writer does not need Take
	marked []*members // those with new events
	ended  []*Subscriber
}

// NewGroup makes an empty group.
func (b *Broker) NewGroup() *Group { return &Group{broker: b, wake: make(chan struct{}, 1)} }

// Wake receives when Take may have something, and after Kick.
func (g *Group) Wake() <-chan struct{} { return g.wake }

// Kick makes Wake receive.
func (g *Group) Kick() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Take appends the subscribers that may have new events, or were ended, since the last call. The same subscriber may occur
// twice, or be closed already.
func (g *Group) Take(dst []*Subscriber) []*Subscriber {
	g.broker.mu.Lock()
	defer g.broker.mu.Unlock()
	for i, m := range g.marked {
		m.marked = false
		dst = append(dst, m.subs...)
		g.marked[i] = nil
	}
	g.marked = g.marked[:0]
	dst = append(dst, g.ended...)
	clear(g.ended)
	g.ended = g.ended[:0]
	return dst
}

// members are a view's subscribers in one group.
type members struct {
	view   *view
	group  *Group
	subs   []*Subscriber
	at     int // index in view.members
	marked bool
}

// markAll wakes the group's goroutine, and marks the members for Take. A group of a single subscriber needs no mark.
func (m *members) markAll() {
	if m.group.single {
		m.group.Kick()
		return
	}
	if m.marked {
		return
	}
	m.marked = true
	m.group.marked = append(m.group.marked, m)
	m.group.Kick()
}

func (m *members) add(s *Subscriber) {
	s.members, s.at = m, len(m.subs)
	m.subs = append(m.subs, s)
	m.view.count++
}

// remove removes a subscriber. If it was the last, the members are removed from their view too.
func (m *members) remove(s *Subscriber) {
	last := len(m.subs) - 1
	m.subs[s.at] = m.subs[last]
	m.subs[s.at].at = s.at
	m.subs[last] = nil
	m.subs = m.subs[:last]
	v := m.view
	v.count--
	if last > 0 {
		return
	}
	end := len(v.members) - 1
	v.members[m.at] = v.members[end]
	v.members[m.at].at = m.at
	v.members[end] = nil
	v.members = v.members[:end]
}

// of returns the view's members in a group; it makes them if there are none. The search is short: a group of a single
// subscriber is new, and there are only a few other groups.
func (v *view) of(g *Group) *members {
	if !g.single {
		for _, m := range v.members {
			if m.group == g {
				return m
			}
		}
	}
	m := &members{view: v, group: g, at: len(v.members)}
	v.members = append(v.members, m)
	return m
}
