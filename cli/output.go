package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// jsonFlag adds --json. Every command that prints something has it.
func (s *Streams) jsonFlag(f *pflag.FlagSet) {
	addFlags(f, "Output", func(f *pflag.FlagSet) { s.jsonVar(f, "Print JSON, one object a line; errors and notes too.") })
}

// jsonVar adds --json with a text of its own to flags that have a heading already.
func (s *Streams) jsonVar(f *pflag.FlagSet, usage string) {
	f.BoolVar(&s.JSON, "json", false, usage)
}

// result prints what a command has done or found: a value for programs, or a text for people.
func (s *Streams) result(value any, text string) error {
	if s.JSON {
		return printLine(s.Out, value)
	}
	_, err := io.WriteString(s.Out, text)
	return err
}

// note tells people on standard error what they should know. It is no error: the command goes on.
func (s *Streams) note(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	if s.JSON {
		_ = printLine(s.Err, map[string]string{"note": text}) // there is no other place to report it
		return
	}
	fmt.Fprintln(s.Err, "sluice:", harmless(text))
}

// printLine prints a value as one line of JSON.
func printLine(w io.Writer, value any) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err := w.Write(line.Bytes())
	return err
}
