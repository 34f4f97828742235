package realtime_test

import "testing"

// A parameter that is nearly one of /realtime is refused, and the right one named: with ?channel=a in place of channels a
// client would get all that it may see. Parameters of other programs pass.
func TestNearParameters(t *testing.T) {
	t.Parallel()
	runAll(t, newGateway(t), []scenario{
		{Name: "nearly channels", Path: "?channel=hello", Status: 400, Has: []string{"parameter channels", "bad_parameter"}},
		{Name: "nearly lastEventId", Path: "?lastEventID=1", Status: 400, Has: []string{"parameter lastEventId"}},
		{Name: "as the header", Path: "?Last-Event-ID=1", Status: 400, Has: []string{"parameter lastEventId"}},
		{Name: "nearly types", Path: "?type=a", Status: 400, Has: []string{"parameter types"}},
		{Name: "nearly stream", Path: "?streams=a", Status: 400, Has: []string{"parameter stream"}},
		{Name: "in upper case", Path: "?LIMIT=1", Status: 400, Has: []string{"parameter limit"}},
		{Name: "as PHP has lists", Path: "?channels%5B%5D=a", Status: 400, Has: []string{"parameter channels"}},
		{Name: "without a letter", Path: "?chanels=a", Status: 400, Has: []string{"parameter channels"}},
		{Name: "with letters swapped", Path: "?limti=1", Status: 400, Has: []string{"parameter limit"}},
		{Name: "with one changed", Path: "?lastEventld=1", Status: 400, Has: []string{"parameter lastEventId"}},
		{Name: "with one more, in words", Path: "?last_event_idd=1", Status: 400, Has: []string{"parameter lastEventId"}},
		{Name: "nearly, by who may not", Key: "-", Path: "?channel=hello", Status: 401},
		{Name: "another program's", Method: "HEAD", Path: "?_=1&t=2&cacheBust=x&form=1&utm_source=y&later=1&area=x&type1=a", Status: 200},
	})
}
