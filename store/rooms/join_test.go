package rooms

import (
	"encoding/json"
	"testing"
	"time"
)

// Who is present at several gateways is there once, with the newest value, in order.
func TestJoin(t *testing.T) {
	t.Parallel()
	said := func(client, value string, at int64) Presence {
		return Presence{json.RawMessage(client), json.RawMessage(value), time.Unix(at, 0)}
	}
	for want, lists := range map[string][][]Presence{
		`[]`: nil,
		`[{"client":"a","value":1},{"client":"b","value":2}]`: {{said(`"b"`, "2", 1)}, nil, {said(`"a"`, "1", 2)}},
		`[{"client":"a","value":2}]`:                          {{said(`"a"`, "1", 1)}, {said(`"\u0061"`, "3", 1), said(`"a"`, "2", 2)}},
		`[{"client":"a","value":4}]`:                          {{said(`"a"`, "4", 3)}, {said(`"a"`, "2", 2)}, {said(`7`, "2", 2)}},
	} {
		got, err := json.Marshal(Join(lists...))
		if err != nil || string(got) != want {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
}

// Another gateway may ask about a room that nobody has entered here.
func TestPresentOfNoRoom(t *testing.T) {
	t.Parallel()
	if list := (&Rooms{}).Present("nowhere", PresenceKey); len(list) != 0 {
		t.Errorf("%v", list)
	}
}
