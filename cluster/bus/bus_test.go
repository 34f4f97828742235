//go:build unix

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = strings.Repeat("s", 32)

// connect connects a node until the test ends.
func connect(t *testing.T, o bus.Options) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// box keeps what came.
type box struct {
	mu   sync.Mutex
	came []string
}

func (b *box) put(body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.came = append(b.came, string(body))
}

// await waits until the box has exactly this.
func (b *box) await(t *testing.T, want string) {
	t.Helper()
	clustertest.Until(t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if got := strings.Join(b.came, " "); got != want {
			return fmt.Errorf("%q came, want %q", got, want)
		}
		return nil
	})
}

// flush waits until the server has all that a node sent, such as its subscriptions.
func flush(t *testing.T, all ...*bus.Bus) {
	t.Helper()
	for _, b := range all {
		if err := b.Conn().FlushTimeout(10 * time.Second); err != nil {
			t.Error(err)
		}
	}
}

// Messages reach all who listen, in order, the sender too. Those of another secret, another cluster or another subject are
// ignored.
func TestPublish(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	a := connect(t, bus.Options{URL: url, Cluster: "one", Node: "a", Secret: secret})
	b := connect(t, bus.Options{URL: url, Cluster: "one", Node: "b", Secret: secret})
	thief := connect(t, bus.Options{URL: url, Cluster: "one", Node: "c", Secret: strings.Repeat("x", 32)})
	stranger := connect(t, bus.Options{URL: url, Cluster: "two", Node: "a", Secret: secret})
	var atA, atB, atThief box
	for node, at := range map[*bus.Bus]*box{a: &atA, b: &atB, thief: &atThief} {
		if err := node.Listen("news", at.put); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, a, b, thief)
	moved := a.Seal("other", []byte("moved"))
	for _, publish := range []func() error{
		func() error { return a.Publish("news", []byte("1")) },
		func() error { return thief.Publish("news", []byte("stolen")) },
		func() error { return stranger.Publish("news", []byte("strange")) },
		func() error { return a.Conn().Publish(a.Subject("news"), []byte("bare")) },
		func() error { return a.Conn().Publish(a.Subject("news"), moved) },
		func() error { return a.Publish("news", []byte("2")) },
		func() error { return a.Publish("news", nil) },
		func() error { return a.Publish("news", []byte("3")) },
	} {
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		flush(t, a, thief, stranger)
	}
	atA.await(t, "1 2  3")
	atB.await(t, "1 2  3")
	atThief.await(t, "stolen")
	if a.Cluster() != "one" || a.Node() != "a" || a.Subject("x", "y") != "sluice.one.x.y" {
		t.Errorf("%q %q %q", a.Cluster(), a.Node(), a.Subject("x", "y"))
	}
}

// A question goes to all who serve its subject. An answer may come later, and holds up no other.
func TestAsk(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	a := connect(t, bus.Options{URL: url, Cluster: "one", Node: "a", Secret: secret})
	b := connect(t, bus.Options{URL: url, Cluster: "one", Node: "b", Secret: secret})
	thief := connect(t, bus.Options{URL: url, Cluster: "one", Node: "c", Secret: strings.Repeat("x", 32)})
	var late func([]byte)
	serve := func(node *bus.Bus, f func(body []byte, answer func([]byte))) {
		t.Helper()
		if err := node.Serve("time", f); err != nil {
			t.Fatal(err)
		}
	}
	serve(a, func(body []byte, answer func([]byte)) { answer(append([]byte("a "), body...)) })
	serve(thief, func(_ []byte, answer func([]byte)) { answer([]byte("stolen")) })
	serve(b, func(body []byte, answer func([]byte)) {
		if string(body) == "1" {
			late = answer
			return
		}
		late([]byte("b 1"))
		answer([]byte("b 2"))
	})
	flush(t, a, b, thief)
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	ask := func(question string, then func()) string {
		t.Helper()
		got := map[string]bool{}
		if err := a.Ask(ctx, "time", []byte(question), func(answer []byte) bool {
			got[string(answer)] = true
			if then != nil && len(got) == 1 {
				then()
			}
			return len(got) < 2
		}); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got)
	}
	first := ask("1", func() {
		if second := ask("2", nil); second != "map[a 2:true b 2:true]" {
			t.Errorf("%s", second)
		}
	})
	if first != "map[a 1:true b 1:true]" {
		t.Errorf("%s", first)
	}
}

// An answer without a valid seal is no answer.
func TestAskStrangers(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	a := connect(t, bus.Options{URL: url, Cluster: "one", Node: "a", Secret: secret})
	b := connect(t, bus.Options{URL: url, Cluster: "one", Node: "b", Secret: secret})
	came := make(chan func([]byte), 1)
	if err := b.Serve("gold", func(_ []byte, answer func([]byte)) { came <- answer }); err != nil {
		t.Fatal(err)
	}
	// A stranger who hears the question answers first.
	if _, err := a.Conn().Subscribe(a.Subject("gold"), func(m *nats.Msg) {
		for _, text := range [][]byte{nil, []byte("stolen"), a.Seal("gold", []byte("stolen"))} {
			if err := m.Respond(text); err != nil {
				t.Error(err)
			}
		}
		flush(t, a)
		(<-came)([]byte("b"))
	}); err != nil {
		t.Fatal(err)
	}
	flush(t, a, b)
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	first := "nothing"
	if err := a.Ask(ctx, "gold", nil, func(answer []byte) bool {
		first = string(answer)
		return false
	}); err != nil || first != "b" {
		t.Errorf("%q, %v", first, err)
	}
}

// Ask ends at once if nobody serves the subject, and with its context if nobody answers.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	a := connect(t, bus.Options{URL: clustertest.NATS(t), Cluster: "one", Node: "a", Secret: secret})
	never := func([]byte) bool {
		t.Error("an answer")
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	if err := a.Ask(ctx, "nothing", nil, never); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
	asked := make(chan struct{}, 1)
	if err := a.Serve("silence", func([]byte, func([]byte)) { asked <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	short, cancelShort := context.WithCancel(context.Background())
	defer cancelShort()
	go func() { // until the question came
		<-asked
		cancelShort()
	}()
	if err := a.Ask(short, "silence", nil, never); err != nil {
		t.Error(err)
	}
	if err := a.Ask(ctx, "large", make([]byte, 100<<20), never); err == nil || !strings.Contains(err.Error(), "asking large") {
		t.Errorf("%v", err)
	}
}

// The connection is made again after its server was killed, and what listens listens again.
func TestReconnect(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 1)
	var log box
	a := connect(t, bus.Options{URL: servers.URL(), Cluster: "one", Node: "a", Secret: secret, Logger: slog.New(slog.NewTextHandler(writer(log.put), nil))})
	var came box
	if err := a.Listen("news", came.put); err != nil {
		t.Fatal(err)
	}
	servers[0].Kill(t)
	clustertest.Until(t, func() error { // what is published without a server is an error, and not kept
		if err := a.Publish("news", []byte("lost")); err == nil {
			return errors.New("published without a server")
		}
		return nil
	})
	servers[0].Restart(t)
	clustertest.Until(t, func() error { return a.Publish("news", []byte("1")) })
	came.await(t, "1")
	log.mu.Lock()
	defer log.mu.Unlock()
	if text := strings.Join(log.came, ""); !strings.Contains(text, "is lost") || !strings.Contains(text, "again") || strings.Contains(text, "passwordoftests") {
		t.Errorf("logged: %s", text)
	}
}

// writer is a function that takes what is written.
type writer func([]byte)

func (f writer) Write(text []byte) (int, error) {
	f(text)
	return len(text), nil
}

// Without a server, Connect fails and tells the cure without the password; or goes on, if it is to wait.
func TestConnectNobody(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://sluice:hiddenpassword@" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range []bus.Options{{}, {Credentials: "/nowhere/x.creds"}, {CA: "/nowhere/ca.pem"}, {Cert: "/nowhere/c.pem", Key: "/nowhere/k.pem"}} {
		o.URL, o.Cluster, o.Node, o.Secret = url, "one", "a", secret
		b, err := bus.Connect(o)
		if err == nil {
			b.Close()
			t.Fatal("connected")
		}
		if !strings.Contains(err.Error(), "CLUSTER_URL") || strings.Contains(err.Error(), "hiddenpassword") {
			t.Errorf("%v", err)
		}
	}
	waiting := connect(t, bus.Options{URL: url, Cluster: "one", Node: "a", Secret: secret, Wait: true})
	if err := waiting.Listen("news", func([]byte) {}); err != nil {
		t.Error(err)
	}
	if err := waiting.Publish("news", nil); err == nil {
		t.Error("published without a server")
	}
}

// FuzzUnseal: only what was sealed for the purpose, with the secret, has a body.
func FuzzUnseal(f *testing.F) {
	b := connectNowhere(f)
	f.Add([]byte(""), []byte("body"), 0)
	f.Add(b.Seal("p", []byte("x")), []byte(""), 3)
	f.Fuzz(func(t *testing.T, any, body []byte, at int) {
		if got, err := b.Unseal("p", any); err == nil && string(b.Seal("p", got)) != string(any) {
			t.Errorf("%x has the body %q", any, got)
		}
		sealed := b.Seal("p", body)
		if got, err := b.Unseal("p", sealed); err != nil || string(got) != string(body) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := b.Unseal("q", sealed); !errors.Is(err, bus.ErrSeal) {
			t.Errorf("for another purpose: %v", err)
		}
		sealed[uint(at)%uint(len(sealed))] ^= 1
		if _, err := b.Unseal("p", sealed); !errors.Is(err, bus.ErrSeal) {
			t.Errorf("changed: %v", err)
		}
	})
}

// connectNowhere makes a bus that only seals.
func connectNowhere(f *testing.F) *bus.Bus {
	f.Helper()
	b, err := bus.Connect(bus.Options{URL: "nats://127.0.0.1:1", Cluster: "one", Node: "a", Secret: secret, Wait: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(b.Close)
	return b
}
