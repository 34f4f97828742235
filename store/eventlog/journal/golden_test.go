package journal

import (
	"encoding/hex"
	"testing"

	"sluice/store/eventlog"
)

// golden is goldenMessage in format 1. Gateways of several versions run together, and journals are kept: a change of these
// bytes needs a new format.
const golden = "" +
	"01861b0102030405060708091b00066173d6044000184d185882898389404370757448637573746f6d657240400000487b226964223a317d" +
	"f689452464622f614178404173416b00004131416d894724726f6f6d2f72404040416104034132f681820105855001000000000000000000" +
	"0000000000004802000000000000005820030000000000000000000000000000000000000000000000000000000000000004058282456b65" +
	"792f31417682456b65792f32f68282456b65792f31582050e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc32682" +
	"456b65792f33f68218640af640f489f6f6f6f6f6f6f64924726f6f6d2f6e6577f4"

func goldenMessage() *message {
	return &message{
		Origin: 0x0102030405060708, Number: 9, Sent: 1_796_000_000_000_000, Claim: eventlog.Claim{Place: 77, Chain: 88},
		Requests: []*eventlog.Request{
			{
				Events: []eventlog.Event{
					{Name: "put", Collection: "customer", Data: []byte(`{"id":1}`)},
					{Space: "$db/a", Name: "x", Stream: "s", Key: "k", Data: []byte("1"), Meta: []byte("m")},
					{Space: "$room/r", Key: "a", Op: eventlog.Compact, Seq: 3, Data: []byte("2")},
				},
				Expect: []eventlog.Expectation{{Index: 1, Last: 5}},
				Once:   &eventlog.Once{Key: [16]byte{1}, Owner: [8]byte{2}, Body: [32]byte{3}, MostInAll: 4, MostPerOwner: 5},
				Rows:   []eventlog.Row{{Key: "key/1", Value: []byte("v")}, {Key: "key/2"}},
				If:     []eventlog.Condition{eventlog.RowIs("key/1", []byte("w")), eventlog.RowIs("key/3", nil)},
				Bound:  &eventlog.Bound{Bytes: 100, Keys: 10},
			},
			{Make: "$room/new"},
		},
	}
}

// TestGolden: format 1 stays as it is.
func TestGolden(t *testing.T) {
	t.Parallel()
	b, err := encode(goldenMessage(), Oldest)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b); got != golden {
		t.Errorf("a message is now\n%s\nwant\n%s", got, golden)
	}
	was, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decode(was); err != nil || m.Number != 9 || len(m.Requests) != 2 || m.Requests[0].Events[2].Seq != 3 {
		t.Errorf("the message is read as %+v: %v", m, err)
	}
}
