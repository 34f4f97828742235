package rows

import "testing"

// TestUpdate: a change keeps what a newer version has written, and nothing else that is old.
func TestUpdate(t *testing.T) {
	type inner struct {
		Active bool `json:"active"`
	}
	type row struct {
		inner
		Name string `json:"name"`
		Old  string `json:"old,omitempty"`
		Own  string `json:"-"`
	}
	for _, tt := range []struct{ was, want string }{
		{"", `{"active":true,"name":"n"}`},
		{"17", `{"active":true,"name":"n"}`},
		{`{"active":false,"name":"o","old":"x"}`, `{"active":true,"name":"n"}`},
		{`{"active":false,"later":{"a":[1]},"name":"o","old":"x"}`, `{"active":true,"later":{"a":[1]},"name":"n"}`},
	} {
		var was []byte
		if tt.was != "" {
			was = []byte(tt.was)
		}
		got, err := Update(was, &row{inner{true}, "n", "", "own"})
		if err != nil || string(got) != tt.want {
			t.Errorf("after %s: %s, %v, want %s", tt.was, got, err, tt.want)
		}
	}
}
