package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// looksUp is a function in the linker's dump that gets a method by a name or number that is known only at run time.
var looksUp = regexp.MustCompile(`(\S+) (?:<\w+>)*<ReflectMethod>`)

// methodLookups returns the functions of a dump that look up methods.
func methodLookups(dump []byte) (found []string) {
	for _, m := range looksUp.FindAllSubmatch(dump, -1) {
		found = append(found, string(m[1]))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// One function of the program that looks up a method by a name of run time makes the linker keep all exported methods of
// all libraries. text/template and some readers of command lines do so: docs/adr/0013.
func TestNoMethodIsLookedUp(t *testing.T) {
	t.Parallel()
	build := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "sluice"), ".")
	dump, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, dump[max(0, len(dump)-2000):])
	}
	if !bytes.Contains(dump, []byte("main.main -> sluice/cli.Main")) {
		t.Fatal("the linker's dump has not the form that this test reads")
	}
	for _, name := range methodLookups(dump) {
		t.Errorf("%s looks up a method at run time, so the linker keeps all methods of all libraries; avoid the path to it", name)
	}
}

func TestMethodLookups(t *testing.T) {
	t.Parallel()
	const dump = `main.main -> sluice/cli.Main
a.B -> reflect.Value.MethodByName
a.(*C).D <ReflectMethod> -> e.F
e.F -> a.(*C).D <ReflectMethod>
e.F <UsedInIface><ReflectMethod> -> type:x
go:info.*runtime.reflectMethodValue -> go:info.y
`
	if got, want := methodLookups([]byte(dump)), []string{"a.(*C).D", "e.F"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
