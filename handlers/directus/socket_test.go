package directus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

const handshakeFailed = `{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication handshake failed."}}`

// TestSocketItems: every action and selector, and everything that can be wrong with a message, on one connection.
func TestSocketItems(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	s := g.Socket(t, gatewaytest.KeyItems)
	failed := func(kind, code, message, rest string) string {
		return `{"type":"` + kind + `","status":"error","error":{"code":"` + code + `","message":"` + message + `"}` + rest + `}`
	}
	const at = `,"date_created":"AT"}`
	for _, x := range [][2]string{
		{`{"type":"items","collection":"messages","action":"create","data":{"id":1,"text":"hi"},"uid":"a"}`, `{"type":"items","data":{"id":"1","text":"hi"` + at + `,"uid":"a"}`},
		{`{"type":"items","collection":"messages","action":"create","data":{"text":"ho"},"uid":7}`, `{"type":"items","data":{"id":"ID","text":"ho"` + at + `,"uid":7}`},
		{`{"type":"items","collection":"messages","action":"create","data":[{"id":"2","n":2},{"id":"3","n":3}],"query":{"fields":["n","id"]}}`, `{"type":"items","data":[{"id":"2","n":2},{"id":"3","n":3}]}`},
		{`{"type":"items","collection":"messages","action":"create","data":[]}`, `{"type":"items","data":[]}`},
		{`{"type":"items","collection":"messages","action":"read","id":1}`, `{"type":"items","data":{"id":"1","text":"hi"` + at + `}`},
		{`{"type":"items","collection":"messages","action":"read","ids":["3","1","none"],"query":{"fields":"id"}}`, `{"type":"items","data":[{"id":"3"},{"id":"1"}]}`},
		{`{"type":"items","collection":"messages","action":"read","ids":["3","1"],"query":{"fields":"id","sort":"id","filter":"{\"n\":{\"_null\":true}}"}}`, `{"type":"items","data":[{"id":"1"}]}`},
		{`{"type":"items","collection":"messages","action":"read","query":{"sort":["-n"],"limit":"1","fields":"id","meta":"*"}}`, `{"type":"items","data":[{"id":"3"}],"meta":{"total_count":4,"filter_count":4}}`},
		{`{"type":"items","collection":"messages","action":"read","query":{"sort":"-date_created","limit":1,"fields":["id"]}}`, `{"type":"items","data":[{"id":"3"}]}`},
		{`{"type":"items","collection":"other","action":"read"}`, `{"type":"items","data":[]}`},
		{`{"type":"items","collection":"messages","action":"update","id":"2","data":{"n":5,"id":"x"},"query":{"fields":["id","n"]}}`, `{"type":"items","data":{"id":"2","n":5}}`},
		{`{"type":"items","collection":"messages","action":"update","ids":["3",2],"data":{"k":1},"query":{"fields":["id","k"]}}`, `{"type":"items","data":[{"id":"3","k":1},{"id":"2","k":1}]}`},
		{`{"type":"items","collection":"messages","action":"update","data":{"k":2},"query":{"filter":{"k":{"_eq":1}},"fields":["id","k"]}}`, `{"type":"items","data":[{"id":"2","k":2},{"id":"3","k":2}]}`},
		{`{"type":"items","collection":"messages","action":"update","data":[{"id":"3","k":4},{"id":2,"k":5}],"query":{"fields":["id","k"]},"uid":"u"}`, `{"type":"items","data":[{"id":"3","k":4},{"id":"2","k":5}],"uid":"u"}`},
		{`{"type":"items","collection":"messages","action":"update","data":[]}`, `{"type":"items","data":[]}`},
		{`{"type":"items","collection":"messages","action":"update","data":[{"id":"3","k":6},{"k":5}]}`, failed("items", "INVALID_PAYLOAD", "item 1 has no id", "")},
		{`{"type":"items","collection":"messages","action":"update","data":[{"id":"3","k":6},{"id":"none","k":5}]}`, failed("items", "FORBIDDEN", `there is no such document: \"none\"`, "")},
		{`{"type":"items","collection":"messages","action":"update","ids":["3"],"data":[{"id":"3","k":6}]}`, failed("items", "INVALID_PAYLOAD", `an item is a JSON object, not [{\"id\":\"3\",\"k\":6}]`, "")},
		{`{"type":"items","collection":"messages","action":"read","query":{"aggregate":{"count":"*","max":["n","k"]},"groupBy":["n"],"sort":"-n","limit":2}}`, `{"type":"items","data":[{"n":5,"count":1,"max":{"n":5,"k":5}},{"n":3,"count":1,"max":{"n":3,"k":4}}]}`},
		{`{"type":"items","collection":"messages","action":"delete","id":2}`, `{"type":"items","data":"2"}`},
		{`{"type":"items","collection":"messages","action":"delete","ids":["3"],"uid":"d"}`, `{"type":"items","data":["3"],"uid":"d"}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{"filter":{"text":{"_eq":"ho"}}}}`, `{"type":"items","data":["ID"]}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{}}`, `{"type":"items","data":["1"]}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{}}`, `{"type":"items","data":[]}`},

		{`{"type":"ping"}`, `{"type":"pong"}`},
		{`{"type":"ping","uid":"p"}`, `{"type":"pong","uid":"p"}`},
		{`{`, failed("server", "INVALID_PAYLOAD", "it is not JSON: it ends at byte 1, where a name in double quotes, or } was expected", "")},
		{`[]`, failed("server", "INVALID_PAYLOAD", `a message must be an object with a \"type\"`, "")},
		{`{"type":5,"uid":"a"}`, failed("server", "INVALID_PAYLOAD", `a message must be an object with a \"type\"`, "")},
		{`{"type":"ping","uid":{}}`, failed("server", "INVALID_PAYLOAD", "a uid must be a string or a number of at most 128 bytes", "")},
		{`{"type":"ping","uid":"` + strings.Repeat("x", 127) + `"}`, failed("server", "INVALID_PAYLOAD", "a uid must be a string or a number of at most 128 bytes", "")},
		{`{"type":"items","uid":"a"}`, failed("items", "INVALID_PAYLOAD", `\"collection\" must be a string`, `,"uid":"a"`)},
		{`{"type":"items","collection":"m"}`, failed("items", "INVALID_PAYLOAD", `\"action\" must be a string`, "")},
		{`{"type":"items","collection":"m","action":"drop"}`, failed("items", "INVALID_PAYLOAD", `\"action\" must be create, read, update or delete`, "")},
		{`{"type":"items","collection":"m","action":"create"}`, failed("items", "INVALID_PAYLOAD", `a create needs \"data\": an item, or an array of them`, "")},
		{`{"type":"items","collection":"m","action":"create","data":null}`, failed("items", "INVALID_PAYLOAD", `an item is a JSON object, not null`, "")},
		{`{"type":"ping","type":"pong"}`, failed("server", "INVALID_PAYLOAD", `it is not JSON: duplicate object member name \"type\"`, "")},
		{`{"type":"items","collection":"m","action":"update","data":{}}`, failed("items", "INVALID_PAYLOAD", `it needs an \"id\", \"ids\" or a \"query\"; an empty query means all items`, "")},
		{`{"type":"items","collection":"m","action":"update","id":1,"data":5}`, failed("items", "INVALID_PAYLOAD", `an item is a JSON object, not 5`, "")},
		{`{"type":"items","collection":"m","action":"delete"}`, failed("items", "INVALID_PAYLOAD", `it needs an \"id\", \"ids\" or a \"query\"; an empty query means all items`, "")},
		{`{"type":"items","collection":"m","action":"read","id":"none","uid":1}`, failed("items", "FORBIDDEN", `there is no item \"none\", or it is not for you`, `,"uid":1`)},
		{`{"type":"items","collection":"m","action":"read","query":{"limit":"x"}}`, failed("items", "INVALID_QUERY", `limit is \"x\": it must be a whole number from -1 to 1000000000`, "")},
		{`{"type":"items","collection":"directus_users","action":"read"}`, failed("items", "INVALID_COLLECTION", `there are no system collections here: \"directus_users\"`, "")},
		{`{"type":"items","collection":"a/b","action":"read"}`, failed("items", "INVALID_COLLECTION", `a collection's name has 1 to 128 characters: letters, digits, - and _`, "")},
		{`{"type":"subscribe","uid":"s"}`, failed("subscribe", "INVALID_PAYLOAD", `\"collection\" must be a string`, `,"uid":"s"`)},
		{`{"type":"subscribe","collection":"m","event":"boing"}`, failed("subscribe", "INVALID_PAYLOAD", `\"event\" must be create, update or delete`, "")},
		{`{"type":"subscribe","collection":"m","item":"none"}`, failed("subscribe", "FORBIDDEN", `there is no item \"none\", or it is not for you`, "")},
		{`{"type":"subscribe","collection":"m","query":[]}`, failed("subscribe", "INVALID_QUERY", `the query is an array: it must be a JSON object`, "")},
		{`{"type":"items","collection":"m","action":"delete","query":{"aggregate":{"count":"*"}}}`, failed("items", "INVALID_QUERY", "aggregate and groupBy are for reading lists only: leave them out of the query", "")},
		{`{"type":"items","collection":"m","action":"read","ids":["1"],"query":{"groupBy":"a"}}`, failed("items", "INVALID_QUERY", "aggregate and groupBy are for reading lists only: leave them out of the query", "")},
		{`{"type":"subscribe","collection":"m","query":{"groupBy":"a"}}`, failed("subscribe", "INVALID_QUERY", "aggregate and groupBy are for reading lists only: leave them out of the query", "")},
		{`{"type":"unsubscribe","uid":9}`, `{"type":"subscription","event":"unsubscribe","uid":"9"}`},
	} {
		s.Send(x[0])
		s.Expect(x[1])
	}
	for _, text := range []string{`{"type":"pong"}`, `{"type":"boing","uid":"a"}`, `{"type":"ITEMS"}`} {
		s.Send(text)
		s.ExpectNothing()
	}
	w := g.Socket(t, gatewaytest.KeyWriter)
	for _, x := range [][2]string{
		{`{"type":"items","collection":"messages","action":"create","data":{"id":"w"}}`, `{"type":"items","data":null}`},
		{`{"type":"items","collection":"messages","action":"read"}`, failed("items", "INVALID_COLLECTION", `this credential has no permission GET:messages (in its \"rest\")`, "")},
		{`{"type":"items","collection":"other","action":"create","data":{}}`, failed("items", "INVALID_COLLECTION", `this credential has no permission POST:other (in its \"rest\")`, "")},
		{`{"type":"subscribe","collection":"messages"}`, failed("subscribe", "INVALID_COLLECTION", `this credential has no permission GET:messages (in its \"rest\")`, "")},
	} {
		w.Send(x[0])
		w.Expect(x[1])
	}
}

// TestSubscriptions: the first message of a subscription, and its messages about changes from every door.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	const at = `,"date_created":"AT"}`
	change := func(method, path, body string, status int) {
		t.Helper()
		g.RunAll(t, []scenario{{Name: path, Method: method, Path: path, Key: gatewaytest.KeyItems, Body: body, Status: status}})
	}
	change("POST", "/items/m", `[{"id":"1","user":"Ben","n":1},{"id":"2","user":"Ann","n":2}]`, 200)
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"subscribe","collection":"m","uid":7}`)
	s.Expect(gatewaytest.SubscriptionMessage("init", `[{"id":"1","user":"Ben","n":1`+at+`,{"id":"2","user":"Ann","n":2`+at+`]`, "7"))
	s.Send(`{"type":"subscribe","collection":"m","uid":"ben","query":{"fields":"id,n","filter":"{\"user\":{\"_eq\":\"Ben\"}}","meta":"*","limit":"5"}}`)
	s.Expect(`{"type":"subscription","event":"init","data":[{"id":"1","n":1}],"meta":{"total_count":2,"filter_count":1},"uid":"ben"}`)
	s.Send(`{"type":"subscribe","collection":"m","event":"delete"}`)
	s.Expect(`{"type":"subscription","event":"init"}`)
	s.Send(`{"type":"subscribe","collection":"m","item":1,"uid":"one","query":{"fields":["n"]}}`)
	s.Expect(gatewaytest.SubscriptionMessage("init", `{"n":1}`, "one"))

	// The author's subscriptions get its own change too. Messages about one change have no order.
	other := g.Socket(t, gatewaytest.KeyItems)
	other.Send(`{"type":"subscribe","collection":"m","uid":"7"}`)
	other.Expect(gatewaytest.SubscriptionMessage("init", `[{"id":"1","user":"Ben","n":1`+at+`,{"id":"2","user":"Ann","n":2`+at+`]`, "7"))
	other.Send(`{"type":"items","collection":"m","action":"create","data":[{"id":"3","user":"Ben","n":3},{"id":"4","user":"Eve","n":4}],"uid":"x"}`)
	all3, all4 := gatewaytest.Created(`[{"id":"3","user":"Ben","n":3`+at+`]`, "7"), gatewaytest.Created(`[{"id":"4","user":"Eve","n":4`+at+`]`, "7")
	other.Expect(`{"type":"items","data":[{"id":"3","user":"Ben","n":3`+at+`,{"id":"4","user":"Eve","n":4`+at+`],"uid":"x"}`, all3, all4)
	s.ExpectInAnyOrder(all3, gatewaytest.Created(`[{"id":"3","n":3}]`, "ben"))
	s.Expect(all4)

	// Items that change together are in one message. A subscription that matches none of them gets no message.
	change("PATCH", "/items/m", `{"keys":["1","3","4"],"data":{"n":9}}`, 200)
	list := `[{"id":"1","user":"Ben","n":9` + at + `,{"id":"3","user":"Ben","n":9` + at + `,{"id":"4","user":"Eve","n":9` + at + `]`
	other.Expect(gatewaytest.SubscriptionMessage("update", list, "7"))
	s.ExpectInAnyOrder(gatewaytest.SubscriptionMessage("update", list, "7"), gatewaytest.SubscriptionMessage("update", `[{"id":"1","n":9},{"id":"3","n":9}]`, "ben"), gatewaytest.SubscriptionMessage("update", `{"n":9}`, "one"))
	change("PATCH", "/items/m/4", `{"n":10}`, 200)
	other.Expect(gatewaytest.SubscriptionMessage("update", `[{"id":"4","user":"Eve","n":10`+at+`]`, "7"))
	s.Expect(gatewaytest.SubscriptionMessage("update", `[{"id":"4","user":"Eve","n":10`+at+`]`, "7"))

	// A deletion is reported by ids, regardless of the filter.
	change("DELETE", "/items/m", `["4","1"]`, 204)
	other.Expect(gatewaytest.SubscriptionMessage("delete", `["4","1"]`, "7"))
	s.ExpectInAnyOrder(gatewaytest.SubscriptionMessage("delete", `["4","1"]`, "7"), gatewaytest.SubscriptionMessage("delete", `["4","1"]`, "ben"), gatewaytest.SubscriptionMessage("delete", `["4","1"]`, ""), gatewaytest.SubscriptionMessage("delete", `"1"`, "one"))

	// What somebody publishes under the same name is no change of an item.
	change("POST", "/realtime", `{"event":"post","collection":"m","data":{"id":"no"}}`, 200)
	other.ExpectNothing()

	// The same uid is the same subscription, and one that has ended gets no message.
	other.Send(`{"type":"subscribe","collection":"m","uid":7,"query":{"fields":"n","sort":"-n","limit":1}}`)
	other.Expect(gatewaytest.SubscriptionMessage("init", `[{"n":9}]`, "7"))
	change("PATCH", "/items/m", `[{"id":"2","n":20},{"id":"3","n":30}]`, 200)
	other.Expect(gatewaytest.SubscriptionMessage("update", `[{"n":30}]`, "7"))
	other.Send(`{"type":"unsubscribe","uid":"7"}`)
	other.Expect(`{"type":"subscription","event":"unsubscribe","uid":"7"}`)
	s.Send(`{"type":"unsubscribe"}`)
	for {
		text, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if text == `{"type":"subscription","event":"unsubscribe"}` {
			break
		}
	}
	change("PATCH", "/items/m/2", `{"n":21}`, 200)
	other.ExpectNothing()
	s.ExpectNothing()

	// A client that may get only some changes gets those; a subscription to others is refused.
	r := g.Socket(t, gatewaytest.KeyReader)
	r.Send(`{"type":"subscribe","collection":"messages","uid":"r"}`)
	r.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "r"))
	r.Send(`{"type":"subscribe","collection":"messages","event":"update","uid":"u"}`)
	r.Expect(`{"type":"subscribe","status":"error","error":{"code":"FORBIDDEN","message":"this credential may not subscribe to these changes: its \"sub\" needs POST:messages, PUT:messages or DELETE:messages, whichever is asked for"},"uid":"u"}`)
	change("POST", "/items/messages", `{"id":"1"}`, 200)
	change("PATCH", "/items/messages/1", `{"n":1}`, 200)
	change("DELETE", "/items/messages/1", ``, 204)
	change("POST", "/items/messages", `{"id":"2"}`, 200)
	r.Expect(gatewaytest.Created(`[{"id":"1"`+at+`]`, "r"), gatewaytest.Created(`[{"id":"2"`+at+`]`, "r"))
	if n := g.Broker.Views(); n > 5 {
		t.Errorf("%d views are left", n)
	}
}

// TestSharedFeeds: those who ask for the same share what is made of a change.
func TestSharedFeeds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	before := g.Broker.Views()
	sockets := make([]*gatewaytest.Socket, 5)
	for i := range sockets {
		sockets[i] = g.Socket(t, gatewaytest.KeyItems)
		sockets[i].Send(fmt.Sprintf(`{"type":"subscribe","collection":"m","uid":"%d","query":{"filter":{"n":{"_gt":1}} , "fields":["id"]}}`, i))
		sockets[i].Expect(gatewaytest.SubscriptionMessage("init", `[]`, fmt.Sprint(i)))
		sockets[i].Send(`{"type":"subscribe","collection":"m","uid":"x","query":{"fields":["id"],"filter":{"n":{"_gt":1}}}}`)
		sockets[i].Expect(gatewaytest.SubscriptionMessage("init", `[]`, "x"))
	}
	if got := g.Broker.Views() - before; got != 2 { // and that of the connections themselves
		t.Errorf("%d views", got)
	}
	for _, s := range sockets {
		s.WS.CloseNow()
	}
	for end := time.Now().Add(5 * time.Second); g.Broker.Views() != before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d views are left", g.Broker.Views()-before)
		}
	}
}
