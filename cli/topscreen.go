package cli

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// Sequences of a terminal: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, no cursor, no line that goes on below
	screenClose = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	screenLine  = "\x1b[K\r\n" // clears the rest of the line
	screenRest  = "\x1b[J"     // clears what is below
)

// screen is a terminal that shows one page, in place of what was on it before.
type screen struct {
	out   *os.File
	in    *os.File    // nil: there are no keys
	state *term.State // of in, to give it back
}

// openScreen takes the terminal, and sends each key that is pressed to keys.
func openScreen(std *Streams, keys chan<- byte) (*screen, error) {
	s := &screen{out: std.Out.(*os.File)}
	if in, ok := std.In.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		state, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("reading keys from the terminal: %w", err)
		}
		s.in, s.state = in, state
		go s.read(keys) // ends with the process: a read of a terminal cannot be ended
	}
	if _, err := s.out.WriteString(screenOpen); err != nil {
		s.close()
		return nil, fmt.Errorf("writing to the terminal: %w", err)
	}
	return s, nil
}

// read sends keys on.
func (s *screen) read(keys chan<- byte) {
	buffer := make([]byte, 64)
	for {
		n, err := s.in.Read(buffer)
		if err != nil || n == 0 {
			return
		}
		for _, key := range withoutSequences(buffer[:n]) {
			keys <- key
		}
	}
}

// withoutSequences leaves out the sequences that keys such as arrows send: the last byte of one is a letter or ~.
func withoutSequences(typed []byte) (keys []byte) {
	const escape = 0x1b
	for i := 0; i < len(typed); i++ {
		if typed[i] != escape {
			keys = append(keys, typed[i])
			continue
		}
		if i+1 < len(typed) && (typed[i+1] == '[' || typed[i+1] == 'O') {
			for i += 2; i < len(typed) && (typed[i] < '@' || typed[i] > '~'); i++ {
			}
		}
	}
	return keys
}

// close gives the terminal back as it was.
func (s *screen) close() {
	_, _ = s.out.WriteString(screenClose) // a terminal that is gone needs nothing
	if s.state != nil {
		_ = term.Restore(int(s.in.Fd()), s.state)
	}
}

// draw shows the page in the size that the terminal has now.
func (s *screen) draw(w *watch) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = helpWidth, 24
	}
	lines := w.page(width, height-1)
	keys := "q quit   s sort: " + w.sort + "   p pause"
	if w.paused {
		keys = "PAUSED: p goes on   q quit   s sort: " + w.sort
	}
	var b strings.Builder
	b.WriteString(screenHome)
	for _, line := range lines {
		b.WriteString(line + screenLine)
	}
	b.WriteString(screenRest)
	fmt.Fprintf(&b, "\x1b[%d;1H%s\x1b[K", height, w.paint.in(styleDim, cut(keys, width)))
	_, err = s.out.WriteString(b.String())
	return err
}
