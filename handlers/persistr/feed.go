package persistr

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// batch is how many bytes of history may leave in one write. It is large, since a client that gets history in pieces takes
// the first piece for all of it.
const batch = 1 << 20

// feed is an open feed.
type feed struct {
	h         *Handler
	lease     *traffic.Lease
	who       *principal
	selected  *selection
	wildcards string // what feeds.enter counted; "": nothing
}

// Release removes the feed from the counts.
func (f *feed) Release() {
	f.h.feeds.remove(f.lease.Subscriber)
	if f.wildcards != "" {
		f.h.feeds.leave(f.who.identity.Scope, f.wildcards)
	}
}

// feeds has all open feeds, so never more than there are connections.
type feeds struct {
	mu        sync.Mutex
	open      map[*broker.Subscriber]*feed
	wildcards map[string]map[string]int // by the scope of a credential: how many feeds have each choice of wildcards
}

func newFeeds() feeds {
	return feeds{open: map[*broker.Subscriber]*feed{}, wildcards: map[string]map[string]int{}}
}

// enter counts a feed with wildcards, and reports whether its credential may open it.
func (f *feeds) enter(scope, choice string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	choices := f.wildcards[scope]
	if choices[choice] == 0 && len(choices) >= wildcardFeeds {
		return false
	}
	if choices == nil {
		choices = map[string]int{}
		f.wildcards[scope] = choices
	}
	choices[choice]++
	return true
}

// leave undoes enter.
func (f *feeds) leave(scope, choice string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	choices := f.wildcards[scope]
	if choices[choice]--; choices[choice] <= 0 {
		delete(choices, choice)
	}
	if len(choices) == 0 {
		delete(f.wildcards, scope)
	}
}

func (f *feeds) add(sub *broker.Subscriber, one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[sub] = one
}

func (f *feeds) remove(sub *broker.Subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, sub)
}

// check ends feeds that a change concerns and that may no longer go on.
func (f *feeds) check(concerned, mayContinue func(*feed) bool) {
	f.mu.Lock()
	var over []*broker.Subscriber
	for sub, one := range f.open {
		if concerned(one) && !mayContinue(one) {
			over = append(over, sub)
		}
	}
	f.mu.Unlock()
	for _, sub := range over {
		sub.End(broker.EndChanged)
	}
}

// mayContinue reports whether a feed may go on.
func (h *Handler) mayContinue(f *feed) bool {
	if !h.active(f.who) || h.readable(f.who, f.selected.database).Empty() {
		return false
	}
	ns := f.selected.namespace
	return ns == nil || f.selected.awaited || h.o.Catalog.HasNamespace(f.selected.database, *ns)
}

// readEvents answers with a feed, or with a page of the past if Accept names JSON.
func (h *Handler) readEvents(c echo.Context) error {
	httperr.UseShape(c, shape)
	json := wantsJSON(c.Request())
	who, err := h.authenticate(c)
	if err == nil {
		one := &call{Context: c, who: who}
		if json {
			err = h.page(one)
		} else {
			err = h.feed(one)
		}
	}
	if err == nil || c.Response().Committed {
		return nil
	}
	if json {
		return h.refuse(c, err)
	}
	return h.fail(c, err)
}

// wantsJSON reports whether Accept names JSON, and no event stream.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values(echo.HeaderAccept), ","))
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/event-stream")
}

// selected reads the selection of the sender, limited to what it may read.
func (h *Handler) selected(c *call) (s *selection, f broker.Filter, err error) {
	err = h.again(c, func() error {
		s, f, err = h.choose(c)
		return err
	})
	return s, f, err
}

// choose is selected for what this gateway knows.
func (h *Handler) choose(c *call) (*selection, broker.Filter, error) {
	name := c.name("db")
	may := h.readable(c.who, name)
	if may.Empty() {
		return nil, broker.Filter{}, forbidden("a reader of database %q is needed for this; an unknown database gives the same answer", name)
	}
	s, err := h.selectors(c, may)
	if err != nil {
		return nil, broker.Filter{}, err
	}
	if ns := s.namespace; ns != nil && !h.o.Catalog.HasNamespace(name, *ns) {
		if s.stream == "" {
			return nil, broker.Filter{}, fmt.Errorf("%w: %q", streams.ErrNoNamespace, *ns)
		}
		s.awaited = true
	}
	f, err := s.filter(may)
	return s, f, err
}

func (h *Handler) feed(c *call) error {
	s, filter, err := h.selected(c)
	if err != nil {
		return err
	}
	if at, ok := eventlog.ParseID(c.Request().Header.Get("Last-Event-ID")); ok {
		if err := h.o.Broker.Log().Await(c.Request().Context(), at); err != nil {
			return err
		}
		s.after = max(s.after, min(at, h.o.Broker.Log().Settled()))
	}
	start, err := h.o.Broker.Begin(c.Request().Context(), filter.Channels.Spaces(), s.after)
	if err != nil {
		return err
	}
	if start.Gap != eventlog.NoGap && s.after > 0 {
		return httperr.New(http.StatusGone, nameExpired, "the events after this position are gone: DATA_DIR=memory keeps at most 256 MiB")
	}
	if c.Request().Method == http.MethodHead {
		writers.SetHeaders(c, writers.EventStream, false)
		return c.NoContent(http.StatusOK)
	}
	filter.Start = &start
	lease := h.streams.Lease(c, c.who.identity)
	defer lease.Close()
	one := &feed{h: h, lease: lease, who: c.who, selected: s}
	if s.wild {
		choice := s.database + "\n" + filter.Choice
		if !h.feeds.enter(c.who.identity.Scope, choice) {
			return httperr.New(http.StatusTooManyRequests, nameTooManyFeeds, "%d feeds of this credential have different types with * or ?; close one, or name its types in full", wildcardFeeds)
		}
		one.wildcards = choice
	}
	lease.Hold(one)
	s.own()
	if err := enter(lease, &filter, s); err != nil {
		return err
	}
	lease.Range, lease.Notices, lease.Batch = &writers.Range{Last: s.last, Limit: s.feedLimit(), Reason: writers.To}, notices{}, batch
	place, err := lease.SubscribeAt(h.writers, c, filter)
	if err != nil {
		return err
	}
	h.feeds.add(lease.Subscriber, one)
	if !h.mayContinue(one) { // it changed before the feed was known
		lease.Subscriber.End(broker.EndChanged)
	}
	writers.SetHeaders(c, writers.EventStream, false)
	lease.Serve(c, place)
	return nil
}
