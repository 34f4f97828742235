package openapi_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// Keys of the tests, by what they may do.
const (
	keyAll   = "key-all-0123456789"
	keyNone  = "key-none-0123456789"
	keyPage  = "key-page-0123456789"  // from one page
	keyBlind = "key-blind-0123456789" // changes documents, and reads none
	keySees  = "key-sees-0123456789"  // subscribes, and publishes one event only
	keySlow  = "key-slow-0123456789"  // changes little in a second
)

var root = gatewaytest.Basic("root", gatewaytest.AdminKey)

// start starts a gateway with the keys of the tests.
func start(t *testing.T, change ...func(*gatewaytest.Setup)) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, append([]func(*gatewaytest.Setup){func(s *gatewaytest.Setup) {
		s.PersistrDemo = true
		s.APIKeys = fmt.Sprintf(`[
			{"name":"all","key":%q,"sub":["*","$db/demo"],"pub":["*","$db/demo"],"rest":["*"]},
			{"name":"none","key":%q},
			{"name":"page","key":%q,"sub":["*"],"pub":["*"],"rest":["*"],"origins":["https://a.example"]},
			{"name":"blind","key":%q,"rest":["POST:*","PUT:*","DELETE:*"]},
			{"name":"sees","key":%q,"sub":["*"],"pub":["boing"]},
			{"name":"slow","key":%q,"sub":["*"],"pub":["*","$db/demo"],"rest":["*"],"rate":1},
			{"name":"expired","key":"expired-0123456789","sub":["*"],"expires":"2020-01-01T00:00:00Z"}
		]`, keyAll, keyNone, keyPage, keyBlind, keySees, keySlow)
	}}, change...)...)
}

// readAnswer reads an answer from a connection of its own.
func readAnswer(t *testing.T, c net.Conn, method, address string) (*http.Response, string) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(gatewaytest.Patience)); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), request)
	if err != nil {
		t.Errorf("%s %s: %v", method, address, err)
		return nil, ""
	}
	defer answer.Body.Close()
	return answer, read(t, answer)
}

// TestDescribedAnswers: requests that the gateway takes, and all answers, are as docs/openapi.yaml says. Each parameter that it
// names is taken, and each answer has come.
func TestDescribedAnswers(t *testing.T) {
	r := newRecorder(t)
	r.answers(t)
	r.parameters(t)
	r.refusals(t)
	described, seen := 0, 0
	r.each(func(o *operation) {
		slices.Sort(o.statuses)
		var missing []string
		for _, status := range o.statuses {
			described++
			if r.seen[o.id][status] {
				seen++
				continue
			}
			if !rare[status] && !cannotAsk[fmt.Sprint(o.id, " ", status)] {
				missing = append(missing, fmt.Sprint(status))
			}
		}
		for name := range o.parameters {
			if !r.used[o.id][name] {
				t.Errorf("%s (%s %s): no request with the described parameter %s is taken", o.id, o.method, o.template, name)
			}
		}
		if len(missing) > 0 {
			t.Errorf("%s (%s %s): no request gets the described answers %s", o.id, o.method, o.template, strings.Join(missing, " "))
		}
	})
	t.Logf("%d operations; %d of %d described answers came", len(r.operations), seen, described)
}

// rare are answers that no request can ask for: a fault of the gateway, and trouble that passes. Many of them come all the same.
var rare = map[int]bool{500: true, 503: true}

// cannotAsk are answers that need a state of the gateway which no test can make in a moment.
var cannotAsk = map[string]bool{
	"logout 429": true, // only while the half-sent bodies of an address take all memory that it may have
}
