package journal

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
)

// testJournal makes a journal on servers of its own.
func testJournal(t *testing.T, servers int) (*bus.Bus, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	b := connect(t, clustertest.StartServers(t, servers).URL(), testSecret)
	if _, _, err := Create(ctx, b, CreateOptions{Replicas: servers}); err != nil {
		t.Fatal(err)
	}
	return b, ctx
}

// testFolder makes a folder with files of random bytes.
func testFolder(t *testing.T, files map[string]int) string {
	t.Helper()
	dir := t.TempDir()
	for name, size := range files {
		content := make([]byte, size)
		rand.Read(content)
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sameFolders fails if two folders differ.
func sameFolders(t *testing.T, one, two string) {
	t.Helper()
	if x, y := readFolder(t, one), readFolder(t, two); len(x) != len(y) {
		t.Fatalf("one folder has %d files, the other %d", len(x), len(y))
	} else {
		for name := range x {
			if x[name] != y[name] {
				t.Fatalf("the file %s differs", name)
			}
		}
	}
}

func readFolder(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][32]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[e.Name()] = sha256.Sum256(content)
	}
	return sums
}

func save(t *testing.T, ctx context.Context, b *bus.Bus, dir string, place uint64) Snapshot {
	t.Helper()
	s, err := Save(ctx, b, dir, Meta{Place: place, At: place * 10, Last: place * 100, Level: 1, Version: "test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func places(list []Snapshot) (p []uint64) {
	for _, s := range list {
		p = append(p, s.Place)
	}
	return p
}

func listAll(t *testing.T, ctx context.Context, b *bus.Bus) []Snapshot {
	t.Helper()
	all, err := List(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A large snapshot comes back byte for byte, from three servers, also right after it was put.
func TestSnapshotComesBack(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 3)
	if all := listAll(t, ctx, b); len(all) != 0 {
		t.Fatalf("there are snapshots before the first one: %v", all)
	}
	dir := testFolder(t, map[string]int{"000001.sst": 30 << 20, "000002.sst": 20 << 20, "000003.log": 12345, "empty": 0})
	saved := save(t, ctx, b, dir, 7)
	all := listAll(t, ctx, b)
	if len(all) != 1 || all[0].Place != 7 || all[0].At != 70 || all[0].Last != 700 || all[0].Version != "test" || all[0].Size != saved.Size || all[0].Parts < 6 {
		t.Fatalf("listed %+v, saved %+v", all, saved)
	}
	into := filepath.Join(t.TempDir(), "log")
	steps, last := 0, int64(0)
	err := Load(ctx, b, all[0], into, func(done, total int64) {
		if steps++; done <= last || total != saved.Size {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	sameFolders(t, dir, into)
	if last != saved.Size || steps != saved.Parts {
		t.Errorf("progress ended at %d of %d after %d steps", last, saved.Size, steps)
	}
	if _, err := os.Stat(into + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the try is still there: %v", err)
	}
}

// A tar cannot write outside of its folder, nor anything but files.
func TestTarTricks(t *testing.T) {
	t.Parallel()
	for _, h := range []tar.Header{
		{Name: "../out"}, {Name: "/out"}, {Name: "a/b"}, {Name: ".."}, {Name: "."}, {Name: ""}, {Name: `a\b`}, {Name: "folder/"},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, {Name: "hard", Typeflag: tar.TypeLink, Linkname: "../x"},
		{Name: "dir", Typeflag: tar.TypeDir}, {Name: "pipe", Typeflag: tar.TypeFifo}, {Name: "big", Size: 5000},
		{Name: "good"}, // a second time
	} {
		outside := t.TempDir()
		dir := filepath.Join(outside, "log")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "good", Size: 3, Mode: 0o600})
		io.WriteString(w, "yes")
		h.Mode = 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", h.Name, err)
		}
		w.Write(make([]byte, h.Size))
		w.Close()
		if err := readTar(&b, dir, 4000); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", h.Name, err)
		}
		if out, _ := os.ReadDir(outside); len(out) != 1 {
			t.Errorf("%q has written outside: %v", h.Name, out)
		}
		if in, _ := os.ReadDir(dir); len(in) != 1 {
			t.Errorf("%q is in the folder: %v", h.Name, in)
		}
	}
}

// A tar that ends early, or is none, is damaged.
func TestTarThatIsCut(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "good", Size: 3000, Mode: 0o600})
	w.Write(make([]byte, 3000))
	w.Close()
	for _, cut := range []int{100, 600, 2000} {
		if err := readTar(bytes.NewReader(b.Bytes()[:cut]), t.TempDir(), 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// The time at a place is the one that a log gets with the message there. What is no message has none.
func TestTimeOf(t *testing.T) {
	t.Parallel()
	b, _ := made(t)
	j := opened(t, b, 0, Options{})
	propose(t, j, proposal(1, "a"))
	var at, place uint64
	for place < 2 {
		e := j.Next()
		at, place = e[len(e)-1].At, e[len(e)-1].Place
	}
	if got, err := TimeOf(bounded(t), b, 2); err != nil || got != at || at == 0 {
		t.Errorf("%d, not %d: %v", got, at, err)
	}
	if got, err := TimeOf(bounded(t), b, 1); err != nil || got != 0 {
		t.Errorf("of the first message: %d, %v", got, err)
	}
}

// Create ends what was interrupted, and refuses another birth.
func TestCreateAgain(t *testing.T) {
	t.Parallel()
	b := connect(t, clustertest.NATS(t), testSecret)
	birth := NewBirth()
	for range 2 {
		if got, at, err := Create(bounded(t), b, CreateOptions{Birth: birth, Replicas: 1}); err != nil || got != birth || at == 0 {
			t.Fatalf("%q, %d: %v", got, at, err)
		}
	}
	if state, err := Look(bounded(t), b); err != nil || state.Birth != birth || state.Last != 1 {
		t.Errorf("%+v: %v", state, err)
	}
	for _, other := range []string{"", NewBirth()} {
		if _, _, err := Create(bounded(t), b, CreateOptions{Birth: other, Replicas: 1}); !errors.Is(err, ErrExists) {
			t.Errorf("with another birth: %v", err)
		}
	}
	other := connect(t, b.Conn().ConnectedUrl(), testSecret)
	if _, _, err := Create(bounded(t), other, CreateOptions{Birth: birth, Replicas: 3}); err == nil {
		t.Error("another number of replicas is taken")
	}
}

// The error names too few servers, or too little room.
func TestCreateOnTooLittle(t *testing.T) {
	t.Parallel()
	b := connect(t, clustertest.NATS(t), testSecret)
	if _, _, err := Create(bounded(t), b, CreateOptions{Replicas: 3}); !errors.Is(err, ErrOneServer) {
		t.Errorf("on one server: %v", err)
	}
	if _, _, err := Create(bounded(t), b, CreateOptions{Replicas: 1, Bytes: 1 << 50}); !errors.Is(err, ErrServers) {
		t.Errorf("more than there is room for: %v", err)
	}
	if _, err := Look(bounded(t), b); !errors.Is(err, ErrNone) {
		t.Errorf("a journal is there: %v", err)
	}
}

// The loss of any server, also of the one that leads, only delays a snapshot.
func TestSnapshotWithoutAServer(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 3)
	b := connect(t, servers.URL(), testSecret)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, _, err := Create(ctx, b, CreateOptions{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	dir := testFolder(t, map[string]int{"a": 30 << 20, "b": 3 << 20})
	saved := save(t, ctx, b, dir, 7)
	leader := -1
	into := filepath.Join(t.TempDir(), "log")
	if err := Load(ctx, b, saved, into, func(int64, int64) {
		if leader < 0 {
			leader = servers.Leader(t, storageName(b))
			servers[leader].Kill(t)
		}
	}); err != nil {
		t.Fatal(err)
	}
	sameFolders(t, dir, into)
	again, err := Save(ctx, b, dir, Meta{Place: 8}, nil)
	if err != nil {
		t.Fatal(err)
	}
	into = filepath.Join(t.TempDir(), "log")
	if err := Load(ctx, b, again, into, nil); err != nil {
		t.Fatal(err)
	}
	sameFolders(t, dir, into)
}
