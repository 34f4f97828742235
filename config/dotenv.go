package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/joho/godotenv"
)

// readDotenv reads a .env file; one that does not exist is empty.
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

// parseDotenv is the library's parser, which takes a last line without = for a value without a name.
// Its error must not be shown: it quotes the file, which may hold secrets.
func parseDotenv(text []byte) (map[string]string, error) {
	values, err := godotenv.UnmarshalBytes(append(bytes.Clone(text), '\n'))
	if _, nameless := values[""]; err == nil && nameless {
		err = errors.New("a value without a name")
	}
	return values, err
}

// badLine is the number of the line with which the first faulty statement begins. A statement is a
// line, or several where a quoted value spans them: the fault is in the first line that no number of
// lines after it completes.
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
