package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether what is written to w is read by a person at a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// harmless replaces what could change a terminal, or hide or reorder text on it: control characters but the line end and
// the tab, also those of C1, marks that set the direction of text, and bytes that are no text. They become escapes as in
// JSON, so that JSON stays the same JSON.
func harmless(text string) string {
	if strings.IndexFunc(text, isHarmful) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			b.WriteString(`\ufffd`)
		case isHarmful(r) && r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		case isHarmful(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isHarmful(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case utf8.RuneError, '\u2028', '\u2029':
		return true
	case '\u200c', '\u200d': // several scripts and emoji need these two
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf)
}

// oneLine is harmless for a text that must stay on its line.
func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(harmless(text))
}

// Values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

var colorWords = []string{colorAuto, colorAlways, colorNever}

// checkColor refuses another word.
func checkColor(word string) error {
	if slices.Contains(colorWords, word) {
		return nil
	}
	return usageError{fmt.Errorf("--color=%s: must be one of %s", word, strings.Join(colorWords, ", "))}
}

// useColors reports whether to print in colours. https://no-color.org has the rule for NO_COLOR.
func useColors(when string, w io.Writer) bool {
	switch when {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && enableEscapes(w)
}

// paint has the colours of a terminal, or none.
type paint bool

// Colours, as parameters of the sequence SGR.
const (
	styleDim    = "2"
	styleBold   = "1"
	styleError  = "1;31"
	styleNote   = "33"
	styleInvert = "7"
)

func (p paint) in(style, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// channelStyles are colours that are readable on a dark and on a light background.
var channelStyles = []string{"32", "34", "35", "36", "1;32", "1;34", "1;35", "1;36"}

// channel gives each channel the same colour each time.
func (p paint) channel(name string) string {
	sum := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		sum = (sum ^ uint32(name[i])) * 16777619
	}
	return p.in(channelStyles[sum%uint32(len(channelStyles))], name)
}
