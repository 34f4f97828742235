package handlers_test

import (
	"fmt"
	"testing"
)

// nearly is the message for a parameter that is nearly another one, as JSON has it.
func nearly(written, known string) string {
	return fmt.Sprintf(`unknown parameter \"%s\"; did you mean \"%s\"?`, written, known)
}

// A parameter that is nearly one of /realtime is refused, and the right one named: with ?channel=a in place of channels a
// client would get all that it may see. Parameters of other programs pass.
func TestNearParameters(t *testing.T) {
	t.Parallel()
	runAll(t, newGateway(t), []scenario{
		{name: "nearly channels", path: "?channel=hello", status: 400, has: []string{nearly("channel", "channels"), "bad_parameter"}},
		{name: "nearly lastEventId", path: "?lastEventID=1", status: 400, has: []string{nearly("lastEventID", "lastEventId")}},
		{name: "as the header", path: "?Last-Event-ID=1", status: 400, has: []string{nearly("Last-Event-ID", "lastEventId")}},
		{name: "nearly types", path: "?type=a", status: 400, has: []string{nearly("type", "types")}},
		{name: "nearly stream", path: "?streams=a", status: 400, has: []string{nearly("streams", "stream")}},
		{name: "in upper case", path: "?LIMIT=1", status: 400, has: []string{nearly("LIMIT", "limit")}},
		{name: "as PHP has lists", path: "?channels%5B%5D=a", status: 400, has: []string{nearly("channels[]", "channels")}},
		{name: "without a letter", path: "?chanels=a", status: 400, has: []string{nearly("chanels", "channels")}},
		{name: "with letters swapped", path: "?limti=1", status: 400, has: []string{nearly("limti", "limit")}},
		{name: "with one changed", path: "?lastEventld=1", status: 400, has: []string{nearly("lastEventld", "lastEventId")}},
		{name: "with one more, in words", path: "?last_event_idd=1", status: 400, has: []string{nearly("last_event_idd", "lastEventId")}},
		{name: "nearly, by who may not", key: "-", path: "?channel=hello", status: 401},
		{name: "another program's", method: "HEAD", path: "?_=1&t=2&cacheBust=x&form=1&utm_source=y&later=1&area=x&type1=a", status: 200},
	})
}
