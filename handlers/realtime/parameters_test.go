package realtime_test

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
	newGateway(t).RunAll(t, []scenario{
		{Name: "nearly channels", Path: "?channel=hello", Status: 400, Has: []string{nearly("channel", "channels"), "bad_parameter"}},
		{Name: "nearly lastEventId", Path: "?lastEventID=1", Status: 400, Has: []string{nearly("lastEventID", "lastEventId")}},
		{Name: "as the header", Path: "?Last-Event-ID=1", Status: 400, Has: []string{nearly("Last-Event-ID", "lastEventId")}},
		{Name: "nearly types", Path: "?type=a", Status: 400, Has: []string{nearly("type", "types")}},
		{Name: "nearly stream", Path: "?streams=a", Status: 400, Has: []string{nearly("streams", "stream")}},
		{Name: "in upper case", Path: "?LIMIT=1", Status: 400, Has: []string{nearly("LIMIT", "limit")}},
		{Name: "as PHP has lists", Path: "?channels%5B%5D=a", Status: 400, Has: []string{nearly("channels[]", "channels")}},
		{Name: "without a letter", Path: "?chanels=a", Status: 400, Has: []string{nearly("chanels", "channels")}},
		{Name: "with letters swapped", Path: "?limti=1", Status: 400, Has: []string{nearly("limti", "limit")}},
		{Name: "with one changed", Path: "?lastEventld=1", Status: 400, Has: []string{nearly("lastEventld", "lastEventId")}},
		{Name: "with one more, in words", Path: "?last_event_idd=1", Status: 400, Has: []string{nearly("last_event_idd", "lastEventId")}},
		{Name: "nearly, by who may not", Key: "-", Path: "?channel=hello", Status: 401},
		{Name: "another program's", Method: "HEAD", Path: "?_=1&t=2&cacheBust=x&form=1&utm_source=y&later=1&area=x&type1=a", Status: 200},
	})
}
