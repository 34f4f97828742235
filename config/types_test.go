package config_test

import (
	"testing"

	"pgregory.net/rapid"

	"sluice/config"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		size    config.Size
		printed string
	}{
		"1": {1, "1B"}, "512B": {512, "512B"}, "64KiB": {64 << 10, "64KiB"}, " 1 MiB ": {1 << 20, "1MiB"}, "1.5GiB": {3 << 29, "1536MiB"},
		"2TiB": {2 << 40, "2TiB"}, "1024": {1024, "1KiB"}, "0": {0, "0B"}, "1025": {1025, "1025B"},
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want.size || s.String() != want.printed {
			t.Errorf("%q: got %d (%s), %v; want %d (%s)", text, s, s, err, want.size, want.printed)
		}
	}
}

// TestSizeReadsWhatItPrints: below 2^53 no byte is lost on the way.
func TestSizeReadsWhatItPrints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := config.Size(rapid.Int64Range(0, 1<<53).Draw(t, "size"))
		var got config.Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d is printed as %s and read as %d, %v", want, want, got, err)
		}
	})
}
