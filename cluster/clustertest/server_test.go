//go:build unix

package clustertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"sluice/cluster/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream = "TEST"

// addStream makes a stream with three replicas.
func addStream(t *testing.T, nc *nats.Conn, replicas int) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{"test"}, Replicas: replicas, Storage: jetstream.FileStorage}); err != nil {
		t.Fatal(err)
	}
	return js
}

// publish repeats until a message is stored. It may be stored twice.
func publish(t *testing.T, js jetstream.JetStream, text string) {
	t.Helper()
	clustertest.Until(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "test", []byte(text))
		return err
	})
}

// expectStored waits until a stream has at least n messages.
func expectStored(t *testing.T, js jetstream.JetStream, n uint64) {
	t.Helper()
	clustertest.Until(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		info, err := s.Info(ctx)
		if err == nil && info.State.Msgs < n {
			err = fmt.Errorf("%d messages, want %d", info.State.Msgs, n)
		}
		return err
	})
}

// The servers lose their leader by each way, go on, and have everything after they come back.
func TestServers(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 3)
	js := addStream(t, servers.Connect(t), 3)
	publish(t, js, "first")
	for n, one := range []struct {
		what      string
		lose, end func(*clustertest.Server)
	}{
		{"killed", func(s *clustertest.Server) { s.Kill(t) }, func(s *clustertest.Server) { s.Restart(t) }},
		{"stopped", func(s *clustertest.Server) { s.Stop(t) }, func(s *clustertest.Server) { s.Restart(t) }},
		{"paused", func(s *clustertest.Server) { s.Pause(t) }, func(s *clustertest.Server) { s.Resume(t) }},
	} {
		leader := servers.Leader(t, stream)
		one.lose(servers[leader])
		publish(t, js, one.what)
		clustertest.Until(t, func() error { // a server that lags still names the old one
			if servers.Leader(t, stream) == leader {
				return fmt.Errorf("%s: the leader is still server %d", one.what, leader)
			}
			return nil
		})
		one.end(servers[leader])
		servers[leader].AwaitReady(t)
		expectStored(t, js, uint64(n)+2)
	}
}

// All servers together are killed: what was stored is there afterwards.
func TestServersAllKilled(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 3)
	js := addStream(t, servers.Connect(t), 3)
	publish(t, js, "first")
	for _, s := range servers {
		s.Kill(t)
	}
	for _, s := range servers {
		s.Start(t)
	}
	for _, s := range servers {
		s.AwaitReady(t)
	}
	expectStored(t, js, 1)
}

// One server alone works too. Without the password, nobody gets in.
func TestNATS(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 1)
	publish(t, addStream(t, servers.Connect(t), 1), "first")
	if leader := servers.Leader(t, stream); leader != 0 {
		t.Errorf("the leader is %d", leader)
	}
	bare := "nats://" + servers.URL()[len("nats://sluice:passwordoftests@"):]
	if nc, err := nats.Connect(bare); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without a password: %v %v", nc, err)
	}
}
