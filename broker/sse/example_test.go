package sse_test

import (
	"fmt"
	"time"

	"sluice/broker/sse"
	"sluice/broker/sse/ssetest"
)

// An event as a frame, which is then parsed in two pieces.
func Example() {
	frame := sse.Frame(&sse.Published{ID: 1795219523000053, Name: "put", Collection: "customer", Data: []byte(`"577c"`)}, sse.FramesName, 10*time.Second).Bare()
	fmt.Printf("%s", frame)

	var p ssetest.Parser
	for _, piece := range [][]byte{frame[:30], frame[30:]} {
		events, err := p.Feed(piece)
		fmt.Printf("%d %v %q\n", len(events), err, p.LastEventID())
	}
	// Output:
	// id: 1795219523000053
	// event: put
	// data: {"event":"put","collection":"customer","data":"577c"}
	// retry: 10000
	//
	// 0 <nil> ""
	// 1 <nil> "1795219523000053"
}
