package filewatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that is replaced is noticed, also by one of the same size and time, in place, by a rename or behind a link.
func TestChanged(t *testing.T) {
	t.Parallel()
	pinned := time.Unix(1_700_000_000, 0)
	write := func(t *testing.T, name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, pinned, pinned); err != nil {
			t.Fatal(err)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, replace := range map[string]func(t *testing.T, name string){
		"written over": func(t *testing.T, name string) { write(t, name, "two") },
		"renamed": func(t *testing.T, name string) {
			write(t, name+".new", "two")
			must(t, os.Rename(name+".new", name))
		},
		"a link that leads elsewhere": func(t *testing.T, name string) {
			write(t, name+".two", "two")
			must(t, os.Symlink(name+".two", name+".link"))
			must(t, os.Rename(name+".link", name))
		},
		"removed": func(t *testing.T, name string) { must(t, os.Remove(name)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &File{Name: filepath.Join(t.TempDir(), "file")}
			write(t, f.Name, "one")
			if text, err := f.Read(); string(text) != "one" || err != nil {
				t.Fatal(string(text), err)
			}
			if f.Changed() {
				t.Error("changed before anything was done")
			}
			write(t, f.Name, "one")
			if f.Changed() {
				t.Error("the same again is no change")
			}
			replace(t, f.Name)
			if !f.Changed() {
				t.Error("not noticed")
			}
			_, _ = f.Read()
			if f.Changed() {
				t.Error("noticed twice")
			}
		})
	}
}
