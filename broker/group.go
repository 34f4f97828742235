package broker

// Group is the subscribers that one goroutine writes for. What is published marks it once, however many
// of them it is for.
type Group struct {
	broker *Broker
	wake   chan struct{}
	single bool       // it is for one subscriber only, whose writer needs no Take
	marked []*members // those with something new
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

// Take appends the subscribers for which something was published, or that were ended, since the last
// call. One may be there twice, or be closed by now.
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
	at     int // place in view.members
	marked bool
}

// mark tells the group that there is something for the members. One for a single subscriber has no need
// to be told for whom.
func (m *members) mark() {
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

// remove takes the subscriber out, and the members out of their view where it was the last.
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

// of is the view's members in a group, made where there are none. The search is short: a group is either
// for one subscriber, and then new, or one of a few.
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
