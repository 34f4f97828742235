package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Options of a connection.
type Options struct {
	URL         string // of the servers, comma-separated
	Cluster     string // its name
	Node        string // the name of this gateway in it
	Secret      string
	Credentials string // a .creds file of NATS, or ""
	CA          string // files for TLS, or ""
	Cert, Key   string
	Wait        bool // go on without a server until one is there
	Logger      *slog.Logger
}

// Bus is a connection to the servers of a cluster. If it breaks, it is made again, to any of them.
type Bus struct {
	nc      *nats.Conn
	secret  []byte
	cluster string
	node    string
	closed  atomic.Bool
}

// Times of a connection. A server that was stopped answers nothing, which pings find out.
const (
	connectTimeout = 2 * time.Second
	pingEvery      = 2 * time.Second
	pingsLost      = 2
	reconnectWait  = 100 * time.Millisecond
)

// Connect connects to one of the servers.
func Connect(o Options) (*Bus, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Bus{secret: []byte(o.Secret), cluster: o.Cluster, node: o.Node}
	failing := &tries{o: o}
	options := []nats.Option{
		nats.Name("sluice " + o.Node), nats.Timeout(connectTimeout), nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsLost),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(o.Wait),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if !b.closed.Load() { // NATS calls this by itself some time after Close
				o.Logger.Warn("the connection to NATS is lost", "cause", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { o.Logger.Info("connected to NATS again", "server", c.ConnectedServerName()) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { failing.failed(err) }),
		// An operator may replace credentials while the gateway runs. It must not give up meanwhile.
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(c *nats.Conn, _ *nats.Subscription, err error) {
			if c.IsConnected() {
				o.Logger.Warn("NATS", "cause", err)
			} else {
				failing.failed(err)
			}
		}),
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	if o.CA != "" {
		options = append(options, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		options = append(options, nats.ClientCert(o.Cert, o.Key))
	}
	nc, err := nats.Connect(o.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to CLUSTER_URL: %w; %s", err, cure(err, o))
	}
	b.nc = nc
	return b, nil
}

// Conn is the connection itself, for the journal.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// Cluster is the name of the cluster.
func (b *Bus) Cluster() string { return b.cluster }

// Node is the name of this gateway.
func (b *Bus) Node() string { return b.node }

// Close ends the connection.
func (b *Bus) Close() {
	b.closed.Store(true)
	b.nc.Close()
}

// Subject is the subject of the cluster that parts name.
func (b *Bus) Subject(parts ...string) string {
	return "sluice." + b.cluster + "." + strings.Join(parts, ".")
}

// Publish sends a sealed message to all who listen to a subject.
func (b *Bus) Publish(subject string, body []byte) error {
	return b.nc.Publish(b.Subject(subject), b.Seal(subject, body))
}

// Listen calls f with each message that is published to a subject, in order, until the Bus is closed.
func (b *Bus) Listen(subject string, f func(body []byte)) error {
	_, err := b.nc.Subscribe(b.Subject(subject), func(m *nats.Msg) {
		if body, err := b.Unseal(subject, m.Data); err == nil {
			f(body)
		}
	})
	return err
}

// Serve gives f what is asked on a subject, until the Bus is closed. f runs for one question at a time, and later ones wait.
// It may call answer after it has returned, from anywhere.
func (b *Bus) Serve(subject string, f func(body []byte, answer func([]byte))) error {
	_, err := b.nc.Subscribe(b.Subject(subject), func(m *nats.Msg) {
		if body, err := b.Unseal(subject, m.Data); err == nil && m.Reply != "" {
			f(body, func(text []byte) {
				_ = m.Respond(b.Seal(subject+" answer", text)) // who asked waits no longer than its own time
			})
		}
	})
	return err
}

// Ask asks all who serve a subject. It calls f with each answer until f returns false or ctx ends.
func (b *Bus) Ask(ctx context.Context, subject string, body []byte, f func(answer []byte) bool) error {
	inbox := b.nc.NewInbox()
	answers, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("asking %s: %w", subject, err)
	}
	defer func() { _ = answers.Unsubscribe() }() // there is nobody left to answer
	if err := b.nc.PublishRequest(b.Subject(subject), inbox, b.Seal(subject, body)); err != nil {
		return fmt.Errorf("asking %s: %w", subject, err)
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil // the time is over, or nobody serves the subject
		}
		answer, err := b.Unseal(subject+" answer", m.Data)
		if err == nil && !f(answer) {
			return nil
		}
	}
}
