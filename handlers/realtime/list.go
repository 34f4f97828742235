package realtime

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/share"
	"sluice/store/subscriptions"
)

// A list of channels that is too long for an address gets a name, and channels=@NAME stands for it.

// maxNamed is the largest number of patterns of a list with a name. A list may be as long as a grant.
const maxNamed = channel.MaxGrant

// listSign begins a name in the parameter channels. There it never begins a pattern: an event whose name begins so can be
// asked for in a list with a name.
const listSign = "@"

// nameList gives a list of channels a name.
func (h *Handler) nameList(c echo.Context) error {
	id, _, err := h.identify(c)
	if err != nil {
		return err
	}
	text, err := h.readJSON(c, id)
	if err != nil {
		return err
	}
	values, err := listOf(text)
	if err != nil {
		return err
	}
	asked, err := patterns(values, maxNamed)
	if err != nil {
		return err
	}
	if _, err := narrow(asked, id); err != nil { // each GET does so too, with what the credential grants then
		return err
	}
	ctx := share.With(c.Request().Context(), id.Scope)
	name, err := h.o.Names.Name(ctx, id.IdempotencyScope(), channel.NewSet(asked...).String())
	if err != nil {
		return httperr.OfLog(err)
	}
	expires := time.Now().Add(subscriptions.Life).UTC().Truncate(time.Second)
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, map[string]string{"name": name, "expires": expires.Format(time.RFC3339)})
}

// listOf returns the values of the field channels: a text as the address has it, or a list of patterns.
func listOf(text []byte) ([]string, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, `the body must be like {"channels":["PUT:customer","chat-*"]}`)
	}
	for name := range fields {
		if name != "channels" {
			return nil, badParameter(strings.ToValidUTF8(name[:min(len(name), maxName)], "?"), "has no place here; only the field channels has, and the address of the GET has the rest")
		}
	}
	var one string
	if json.Unmarshal(fields["channels"], &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(fields["channels"], &list) != nil || len(list) == 0 {
		return nil, badParameter("channels", `must be a list like ["PUT:customer","chat-*"], or a text like "PUT:customer,chat-*"`)
	}
	return list, nil
}

// named returns the patterns of the list whose name the parameter channels has, or nil if it has none. The lease holds the
// name.
func (h *Handler) named(c echo.Context, values []string, lease *traffic.Lease) ([]channel.Pattern, error) {
	given := false
	for _, v := range values {
		for item := range strings.SplitSeq(v, ",") {
			given = given || strings.HasPrefix(item, listSign)
		}
	}
	if !given {
		return nil, nil
	}
	if len(values) > 1 || strings.Contains(values[0], ",") {
		return nil, badParameter("channels", "a name of a list, which begins with %s, stands alone; POST one list of all the channels to /realtime/subscriptions", listSign)
	}
	id := lease.Identity
	list, release, err := h.o.Names.Use(c.Request().Context(), id.IdempotencyScope(), strings.TrimPrefix(values[0], listSign))
	if err != nil {
		return nil, httperr.OfLog(err)
	}
	lease.Hold(traffic.ReleaseFunc(release))
	return patterns([]string{list}, maxNamed)
}
