package realtime

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/channel"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

func badParameter(name, format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusBadRequest, httperr.BadParameter, "parameter "+name+": "+format, args...)
}

// filter reads what a GET asks for and narrows it to the grant. The lease holds the name of a list that the request uses.
func (h *Handler) filter(c echo.Context, query url.Values, lease *traffic.Lease) (broker.Filter, error) {
	id := lease.Identity
	var f broker.Filter
	none, err := body.None(c, body.Limits{Time: h.o.ReadTimeout})
	if err != nil {
		return f, err
	}
	if !none {
		return f, httperr.New(http.StatusBadRequest, httperr.UnexpectedBody, "a GET takes no body; events are published by POST")
	}
	if err := checkNames(query); err != nil {
		return f, err
	}
	if f.Frames, err = h.frames(query, id); err != nil {
		return f, err
	}
	if f.LastEventID, err = lastEventID(c.Request(), query); err != nil {
		return f, err
	}
	f.Channels, err = h.channels(c, query, lease)
	return f, err
}

func (h *Handler) channels(c echo.Context, query url.Values, lease *traffic.Lease) (channel.Set, error) {
	id := lease.Identity
	if !query.Has("channels") {
		if id.Sub.Empty() {
			return id.Sub, forbiddenToSubscribe()
		}
		return id.Sub, nil
	}
	asked, err := h.named(c, query["channels"], lease)
	if asked == nil && err == nil {
		asked, err = patterns(query["channels"], channel.MaxRequest)
	}
	if err != nil {
		return channel.Set{}, err
	}
	return narrow(asked, id)
}

// narrow returns the part of the patterns that an identity may subscribe to.
func narrow(asked []channel.Pattern, id *auth.Identity) (channel.Set, error) {
	if id.Sub.Empty() {
		return id.Sub, forbiddenToSubscribe()
	}
	set, nerr := id.Sub.Narrow(asked)
	var not *channel.NotGranted
	switch {
	case errors.As(nerr, &not):
		return set, httperr.New(http.StatusForbidden, httperr.Forbidden, "parameter channels: %v", nerr)
	case nerr != nil:
		return set, badParameter("channels", "%v", nerr)
	}
	return set, nil
}

// patterns reads at most a number of patterns. A value may have several, with commas between them.
func patterns(values []string, most int) ([]channel.Pattern, error) {
	var out []channel.Pattern
	for _, v := range values {
		if v == "" {
			return nil, badParameter("channels", "is empty; leave it out for all that the credential may see")
		}
		for item := range strings.SplitSeq(v, ",") {
			if len(out) == most {
				return nil, tooManyPatterns(most)
			}
			p, err := channel.Parse(item)
			if err != nil {
				return nil, badParameter("channels", "%v", err)
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func tooManyPatterns(most int) *httperr.Error {
	if most < maxNamed {
		return badParameter("channels", "more than %d patterns; POST longer lists to /realtime/subscriptions, which gives them a name", most)
	}
	return badParameter("channels", "more than %d patterns", most)
}

func forbiddenToSubscribe() *httperr.Error {
	return httperr.New(http.StatusForbidden, httperr.Forbidden,
		`this credential may subscribe to nothing; give it channels ("sub" of the key, "realtime" of the token)`)
}

func (h *Handler) frames(query url.Values, id *auth.Identity) (sse.Frames, error) {
	word := id.Frames()
	if values, ok := query["frames"]; ok {
		word = values[0]
		if len(slices.Compact(slices.Clone(values))) > 1 || word != "name" && word != "publish" {
			return 0, badParameter("frames", "must be name or publish")
		}
	}
	switch word {
	case "name":
		return sse.FramesName, nil
	case "publish":
		return sse.FramesPublish, nil
	}
	return h.o.Frames, nil
}

// lastEventID is the id a client resumes from, "" for none. The header wins: EventSource sends it
// when it reconnects to an address that still has the parameter of the first time.
func lastEventID(r *http.Request, query url.Values) (string, error) {
	if v := r.Header.Get("Last-Event-ID"); v != "" {
		return v, nil
	}
	values := slices.Compact(slices.Clone(query["lastEventId"]))
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", badParameter("lastEventId", "is given twice with different values")
}
