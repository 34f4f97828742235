//go:build unix

package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// user and password are what the gateways of a test have in CLUSTER_URL.
const (
	user     = "sluice"
	password = "passwordoftests"
)

// Server is a NATS server, with the configuration of deploy/cluster.
type Server struct {
	*process
	address, monitor, dir string
	conf                  string // the file of its configuration
}

// Servers are the NATS servers of a cluster.
type Servers []*Server

// NATS starts one server, for tests of what needs no cluster. It returns its address, with the password.
func NATS(t testing.TB) string {
	t.Helper()
	return StartServers(t, 1).URL()
}

// StartServers starts n servers, and waits until they have a leader. Each edit changes the configuration.
func StartServers(t testing.TB, n int, edits ...func(conf string) string) Servers {
	t.Helper()
	return startServers(t, takePorts(t), here(n), edits)
}

func startServers(t testing.TB, free *ports, on []machine, edits []func(conf string) string) Servers {
	t.Helper()
	n := len(on)
	binary, dir := need(t, buildServer), t.TempDir()
	conf := filepath.Join(dir, "nats-server.conf")
	write(t, conf, configuration(t, n, edits))
	all := make(Servers, n)
	routes := make([]string, n)
	environments := make([][]string, n)
	for i := range all {
		name, client, route := fmt.Sprintf("nats-%d", i), address(on[i].inner, free.take(t)), address(on[i].inner, free.take(t))
		monitor := address(on[i].outer, free.take(t))
		routes[i] = fmt.Sprintf("nats://routes:%s@%s", password, route)
		environments[i] = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "NATS_NAME=" + name, "NATS_LISTEN=" + client, "NATS_MONITOR=" + monitor,
			"NATS_ROUTE_LISTEN=" + route, "NATS_STORE=" + filepath.Join(dir, name), "NATS_DISK=4GB",
			"NATS_PASSWORD=" + password, "NATS_ROUTE_PASSWORD=" + password, "NATS_ADMIN_PASSWORD=" + password,
		}
		all[i] = &Server{address: client, monitor: monitor, dir: filepath.Join(dir, name), conf: conf, process: newProcess(t, name, func() *exec.Cmd {
			cmd := on[i].run(binary, "-c", conf)
			cmd.Dir, cmd.Env = dir, environments[i]
			return cmd
		})}
	}
	for i := range all {
		environments[i] = append(environments[i], "NATS_ROUTES=["+strings.Join(routes, ", ")+"]")
		all[i].start(t)
	}
	for _, s := range all {
		s.AwaitReady(t)
	}
	return all
}

// configuration returns the text of deploy/cluster/nats-server.conf, for a server alone without the others, after the edits.
func configuration(t testing.TB, n int, edits []func(conf string) string) string {
	t.Helper()
	deployed := filepath.Join(need(t, root), "deploy", "cluster", "nats-server.conf")
	text, err := os.ReadFile(deployed)
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	if n == 1 {
		before, rest, begins := strings.Cut(conf, "\ncluster {\n")
		_, after, ends := strings.Cut(rest, "\n}\n")
		if !begins || !ends {
			t.Fatalf("%s has no part cluster", deployed)
		}
		conf = before + "\n" + after
	}
	for _, edit := range edits {
		conf = edit(conf)
	}
	return conf
}

// Configure changes the configuration, which all servers share. It counts from the next start of each.
func (all Servers) Configure(t testing.TB, edit func(conf string) string) {
	t.Helper()
	text, err := os.ReadFile(all[0].conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, all[0].conf, edit(string(text)))
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// URL is the value for CLUSTER_URL.
func (all Servers) URL() string {
	urls := make([]string, len(all))
	for i, s := range all {
		urls[i] = s.URL()
	}
	return strings.Join(urls, ",")
}

// Connect connects to the servers, as a gateway does, until the test ends.
func (all Servers) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(all.URL(), nats.Name("test"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.Timeout(2*time.Second), nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatalf("connecting to the servers: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// URL is the address of this server, with the password.
func (s *Server) URL() string { return fmt.Sprintf("nats://%s:%s@%s", user, password, s.address) }

// Dir is where the server stores its data.
func (s *Server) Dir() string { return s.dir }

// Kill ends the server at once.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.kill(t) }

// Stop ends the server as an operator does: it hands leadership to others first (lame duck mode).
func (s *Server) Stop(t testing.TB) { t.Helper(); s.stop(t, syscall.SIGUSR2) }

// Pause stops the process in the middle of what it does, as a machine without answer. Its connections stay.
func (s *Server) Pause(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGCONT) }

// Restart starts the server again, with its data. If it still runs, it is killed first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.kill(t)
	s.start(t)
	s.AwaitReady(t)
}

// Start starts the server again and does not wait: without a majority, it does not become ready.
func (s *Server) Start(t testing.TB) { t.Helper(); s.start(t) }

// Logs is what the server wrote.
func (s *Server) Logs() string { return s.log.String() }

// AwaitReady waits until the server is in step with the others, and JetStream answers.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	s.await(t, func() error { return s.get("/healthz", nil) })
}

// get reads a page of the server's monitoring.
func (s *Server) get(path string, into any) error { return getJSON("http://"+s.monitor+path, into) }

// pages reads without connections that stay: a process that ends must not be asked on an old one.
var pages = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// getJSON reads a page; into may be nil.
func getJSON(url string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // who is paused does not answer
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := pages.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", url, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s: %s", url, answer.Status, text)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", url, err)
	}
	return nil
}

// leaderOf returns who leads a stream, as this server sees it; "" if it sees no leader or no stream.
func (s *Server) leaderOf(stream string) (string, error) {
	var page struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster *struct {
					Leader string `json:"leader"`
				} `json:"cluster"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := s.get("/jsz?accounts=true&streams=true", &page); err != nil {
		return "", err
	}
	for _, account := range page.Accounts {
		for _, one := range account.Streams {
			switch {
			case one.Name != stream:
			case one.Cluster == nil: // a server alone has no cluster
				return s.name, nil
			default:
				return one.Cluster.Leader, nil
			}
		}
	}
	return "", nil
}

// Leader waits until a server leads a stream, and returns its index. It is the one that itself and a majority take for the
// leader: after its end, others still name it for some seconds; cut off, it still names itself.
func (all Servers) Leader(t testing.TB, stream string) (leader int) {
	t.Helper()
	Until(t, func() error {
		votes, itself := map[string]int{}, map[string]bool{}
		for _, s := range all {
			name, err := s.leaderOf(stream)
			if err != nil {
				continue // it is gone or paused
			}
			votes[name]++
			itself[name] = itself[name] || name == s.name
		}
		for i, s := range all {
			if itself[s.name] && votes[s.name] > len(all)/2 {
				leader = i
				return nil
			}
		}
		return fmt.Errorf("no server leads the stream %s", stream)
	})
	return leader
}
