//go:build unix

package clustertest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// subjects are those of all messages of an account.
type subjects struct {
	mu   sync.Mutex
	seen map[string]bool
}

// watchSubjects notes the subjects until the test ends.
func watchSubjects(t *testing.T, nc *nats.Conn) *subjects {
	t.Helper()
	s := &subjects{seen: map[string]bool{}}
	sub, err := nc.Subscribe(">", func(m *nats.Msg) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[m.Subject] = true
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list returns them in order.
func (s *subjects) list() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.seen {
		all = append(all, one)
	}
	slices.Sort(all)
	return all
}

// await waits until a subject was seen.
func (s *subjects) await(t *testing.T, want string) {
	t.Helper()
	Until(t, func() error {
		if !slices.Contains(s.list(), want) {
			return fmt.Errorf("no message on %s", want)
		}
		return nil
	})
}

// allowed are the subjects of a cluster. Random parts are inboxes of NATS and the IDs of snapshots.
var allowed = regexp.MustCompile(`^(` + strings.Join([]string{
	`sluice\.sluice\.journal\.(in|out)`, `sluice\.sluice\.snapshot`,
	`sluice\.sluice\.peers\.(beat|list|name\.gateway-\d|ask\.[a-z]+(\.gateway-\d)?)`,
	`_INBOX\.[0-9A-Za-z.]+`,
	`sluice\.sluice\.snapshots\.([A-Z2-7]{16}\.(\d+|label)|looked)`,
	`\$JS\.API\.STREAM\.(CREATE|INFO|PURGE)\.SLUICE_sluice`, `\$JS\.API\.DIRECT\.GET\.SLUICE_sluice`,
	`\$JS\.API\.STREAM\.(CREATE|INFO|PURGE|MSG\.GET)\.SLUICE_sluice_SNAPSHOTS`,
	`\$JS\.EVENT\.[\w.-]+`, // of the servers
}, "|") + `)$`)

// ask sends a request to a gateway, and returns the body of the answer.
func ask(t *testing.T, key, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := pages.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, url, answer.StatusCode, text, err)
	}
	return string(text)
}

// A cluster runs with all that deploy/cluster/nats-server.conf has for security: TLS of all connections with certificates of
// both sides, and no more permissions than a gateway needs. Its subjects have the name of the cluster and the names of
// gateways, and nothing of its data.
func TestSecureCluster(t *testing.T) {
	t.Parallel()
	authority := NewAuthority(t)
	cert, key := authority.Issue(t, "gateway")
	c := start(t, takePorts(t), here(3), []string{"CLUSTER_CA=" + authority.File, "CLUSTER_CERT=" + cert, "CLUSTER_KEY=" + key, "MAX_EVENT=1MiB"},
		authority.TLS(t), func(conf string) string {
			return strings.Replace(Activate(conf, "default_permissions"), "users: [{user: sluice,",
				`users: [{user: watcher, password: $NATS_PASSWORD, permissions: {publish: ">", subscribe: ">"}}, {user: sluice,`, 1)
		})
	connect := func(as string) *nats.Conn {
		t.Helper()
		nc, err := nats.Connect(strings.ReplaceAll(c.Servers.URL(), "sluice:", as+":"), nats.RootCAs(authority.File), nats.ClientCert(cert, key),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	seen := watchSubjects(t, connect("watcher"))

	var made struct{ Key string }
	if err := json.Unmarshal([]byte(ask(t, AdminKey, "POST", c.Node(0).URL()+"/admin/keys", `{"name":"zebrakey","sub":["*"],"pub":["*"]}`)), &made); err != nil || made.Key == "" {
		t.Fatalf("a new key: %v", err)
	}
	for i, n := range c.Nodes {
		ask(t, Key, "POST", n.URL()+"/rest/zebras", fmt.Sprintf(`{"_id":"zebra%d","n":0}`, i))
		ask(t, Key, "GET", n.URL()+"/room/zebraroom", "")
		ask(t, made.Key, "POST", n.URL()+"/realtime", `{"event":"zebraevent","data":"zebra"}`)
		ask(t, AdminKey, "GET", n.URL()+"/admin/connections", "")
	}
	for range 3 { // so that a snapshot has parts of the full size
		ask(t, made.Key, "POST", c.URL()+"/realtime", fmt.Sprintf(`{"event":"zebraevent","data":%q}`, incompressible(600<<10)))
	}
	for range 2 { // then the first snapshot goes
		command(t, c, "snapshot")
		ask(t, made.Key, "POST", c.URL()+"/realtime", `{"event":"zebraevent","data":"zebra"}`)
	}
	seen.await(t, "$JS.API.STREAM.PURGE.SLUICE_sluice")
	joins := c.Node(2) // as a new gateway, which loads a snapshot
	joins.Stop(t)
	if err := os.RemoveAll(joins.Dir()); err != nil {
		t.Fatal(err)
	}
	joins.Restart(t)
	if !slices.ContainsFunc(seen.list(), func(s string) bool {
		return strings.HasPrefix(s, "sluice.sluice.snapshots.") && strings.HasSuffix(s, ".1")
	}) {
		t.Error("the snapshots are too small to have two parts")
	}
	for _, call := range []string{"INFO", "PURGE", "MSG.GET"} {
		seen.await(t, "$JS.API.STREAM."+call+".SLUICE_sluice_SNAPSHOTS")
	}
	if out := command(t, c, "status", "--gateways", "3"); !strings.Contains(out, "gateway-2") {
		t.Errorf("status: %s", out)
	}

	for _, subject := range seen.list() {
		if !allowed.MatchString(subject) {
			t.Errorf("a message on %s", subject)
		}
		for _, one := range []string{Key, AdminKey, secret, password, made.Key, "zebra"} {
			if strings.Contains(subject, one) {
				t.Errorf("the subject %s has %s", subject, one)
			}
		}
	}
	for _, n := range c.Nodes {
		if strings.Contains(strings.ToLower(n.Logs()), "permissions violation") {
			t.Errorf("%s may not do what it needs:\n%s", n.name, n.Logs())
		}
	}
	for _, s := range c.Servers {
		if strings.Contains(s.Logs(), "Violation") {
			t.Errorf("%s refused something:\n%s", s.name, s.Logs())
		}
	}
	expectForbidden(t, connect("sluice"))
}

// incompressible returns a text of random letters.
func incompressible(n int) string {
	random := make([]byte, n/4*3)
	_, _ = rand.Read(random) // it never fails
	return base64.StdEncoding.EncodeToString(random)
}

// command runs a command about the cluster.
func command(t *testing.T, c *Cluster, args ...string) string {
	t.Helper()
	out, err := c.Node(0).Command(append([]string{"cluster"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// expectForbidden expects that a user of gateways may not do what could harm the journal.
func expectForbidden(t *testing.T, nc *nats.Conn) {
	t.Helper()
	for _, subject := range []string{
		"sluice.sluice.journal.out", "$JS.API.STREAM.DELETE.SLUICE_sluice", "$JS.API.STREAM.UPDATE.SLUICE_sluice", "$JS.API.STREAM.MSG.DELETE.SLUICE_sluice",
		"$JS.API.STREAM.DELETE.SLUICE_sluice_SNAPSHOTS", "$JS.API.STREAM.UPDATE.SLUICE_sluice_SNAPSHOTS", "$JS.API.STREAM.MSG.DELETE.SLUICE_sluice_SNAPSHOTS",
		"_INBOX.somebody", "anything",
	} {
		err := nc.Publish(subject, nil)
		if err == nil {
			err = nc.FlushTimeout(10 * time.Second)
		}
		if last := nc.LastError(); err != nil || !errors.Is(last, nats.ErrPermissionViolation) || !strings.Contains(last.Error(), strings.ToLower(subject)) && !strings.Contains(last.Error(), subject) {
			t.Errorf("publishing on %s: %v, %v", subject, err, last)
		}
	}
}
