package share

import "testing"

func TestQueue(t *testing.T) {
	t.Parallel()
	q := NewQueue[string]()
	for _, one := range []string{"a1", "a2", "a3", "b1", "c1", "b2"} {
		q.Push(one[:1], one)
	}
	got := ""
	for range 4 {
		one, _ := q.Pop()
		got += one + " "
	}
	q.Push("c", "c2")
	for {
		one, ok := q.Pop()
		if !ok {
			break
		}
		got += one + " "
	}
	if want := "a1 b1 c1 a2 b2 a3 c2 "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(q.by)+len(q.turns) != 0 {
		t.Errorf("left behind: %v", q)
	}
}
