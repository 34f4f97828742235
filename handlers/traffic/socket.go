package traffic

import (
	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/writers"
)

// EnterPending takes a place in the pool of sockets that have yet to authenticate. A new socket can take the place away; the
// subscriber then ends with the reason Crowd.
func (l *Lease) EnterPending(g *broker.Group) error {
	if err := l.SubscribeAs(l.Identity, g); err != nil {
		return err
	}
	t := l.opener.Traffic
	if !t.gate.enter() {
		return ErrDraining()
	}
	sub := l.Subscriber
	l.extra().pending = t.pending.enter(peer.Network(l.From), func() { sub.End(writers.Crowd) })
	l.place = placePending
	return nil
}

// SubscribeAs makes a cursor without a channel, in place of the one before. With it, the socket appears under its identity
// in the list of connections, and can be ended from there.
func (l *Lease) SubscribeAs(who *auth.Identity, g *broker.Group) error {
	sub, err := l.opener.Broker.Subscribe(broker.Filter{Holder: &seen{l, who}, Slot: l.Slot(), Opened: true}, g)
	if err != nil {
		return err
	}
	if old := l.Subscriber; old != nil {
		old.Close()
		if reason := old.Ending(); reason != "" {
			sub.End(reason)
		}
	}
	if l.place == placeOfCredential { // it holds the identity that it lives by
		who.Hold()
		l.Identity.Release()
	}
	l.Identity, l.Subscriber = who, sub
	return nil
}

// Authenticate counts the socket for a credential: after its first authentication, or after one with another credential. It
// returns the reason if the credential can have no further socket.
func (l *Lease) Authenticate(who *auth.Identity, g *broker.Group) error {
	before := who.Scope // one that had no credential is counted for this one from now on
	if l.place == placePending {
		if err := l.admit(who.Scope); err != nil {
			return err
		}
	} else {
		before = l.scope()
		if err := l.move(who.Scope); err != nil {
			return err
		}
	}
	var err error
	if a := l.extra().account; a != nil {
		err = a.Move(who.Scope)
	}
	if err == nil {
		err = l.SubscribeAs(who, g)
	}
	if err != nil {
		_ = l.move(before) // if that is full by now, it stays counted where it is
	}
	return err
}

// admit exchanges the place in the pool for one of the credential.
func (l *Lease) admit(scope string) error {
	t := l.opener.Traffic
	limits := t.limits
	if over := limits.take(scope); over != nil {
		t.full.refused(over, t.census, l.opener.Logger)
		return over
	}
	if !l.more.pending.Leave() {
		limits.give(scope)
		return errFull("too many sockets of this address have not authenticated yet")
	}
	l.place, l.more.pending, l.more.scope = placeOfCredential, nil, scope
	return nil
}

// move counts the socket for another credential.
func (l *Lease) move(to string) error {
	if over := l.opener.Traffic.limits.move(l.scope(), to); over != nil {
		return over
	}
	l.extra().scope = to
	return nil
}

// seen is a socket as the administrator sees it. Others read it, and the stream's identity may change, so it has its own.
type seen struct {
	lease *Lease // only what is never changed
	who   *auth.Identity
}

// Client returns whose the socket is.
func (s *seen) Client() broker.Client {
	l := s.lease
	return broker.Client{RequestID: l.RequestID, Name: s.who.Name, Kind: s.who.Kind, From: l.From, Started: l.Started}
}
