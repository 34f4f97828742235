package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/joho/godotenv"
)

// readDotenv reads a .env file. A file that does not exist counts as empty.
func readDotenv(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s must be a file that can be read: %w", name, cause(err))
	}
	// Some editors begin a file with a byte order mark.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	values, err := parseDotenv(text)
	if err != nil {
		return nil, fmt.Errorf("%s, line %d: must be NAME=value, a # comment or empty, with quotes closed", name, badLine(text))
	}
	return values, nil
}

// parseDotenv calls the library's parser, and refuses what that takes for a value without a name: a last line without =.
// Never show its error: it quotes the file, which may contain secrets.
func parseDotenv(text []byte) (map[string]string, error) {
	values, err := godotenv.UnmarshalBytes(append(bytes.Clone(text), '\n'))
	if _, nameless := values[""]; err == nil && nameless {
		err = errors.New("a value without a name")
	}
	return values, err
}

// badLine returns the number of the line where the first faulty statement begins. A statement is one line, or several
// where a quoted value spans them. So a statement is faulty if it stays incomplete with all lines that follow.
func badLine(text []byte) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	begin, end := 0, 0
	for _, line := range lines {
		end += len(line)
		if _, err := parseDotenv(text[begin:end]); err == nil {
			begin = end
		}
	}
	return 1 + bytes.Count(text[:begin], []byte("\n"))
}
