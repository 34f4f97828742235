package config

import (
	"cmp"
	"slices"
	"strings"

	"sluice/config/spelling"
)

// A .env file may serve other programs too, so names that are no settings of the gateway are listed, not refused. A name
// that is nearly a setting is refused: with API_KEY instead of API_KEYS, the gateway would start without the keys.

// checkNames returns a fault for each name of .env that is nearly a setting, and the other unknown names, sorted.
func checkNames(file map[string]string) (faults Faults, unknown []string) {
	known := settingNames()
	for name := range file {
		if slices.Contains(known, name) {
			continue
		}
		if near := nearest(name, known); near != "" {
			faults = append(faults, Fault{printable(name), masked, "is not a setting; did you mean " + near + "? Correct the name, or remove the line from .env"})
			continue
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return faults, unknown
}

// settingNames returns all names that Load reads.
func settingNames() (names []string) {
	for _, f := range fieldsOf(&Config{}) {
		names = append(names, f.name)
		if file := f.fileSetting(); file != "" {
			names = append(names, file)
		}
	}
	return names
}

// longName is a length in letters. A name of this length or more may have two mistakes and still be nearly a setting; a
// shorter one only one.
const longName = 8

// nearest returns the setting that a name was probably meant to be, or "".
func nearest(name string, known []string) string {
	words := wordsOf(name)
	joined := strings.Join(words, "")
	best, least := "", 2
	if len(joined) >= longName {
		least = 3
	}
	for _, k := range known {
		of := wordsOf(k)
		// TLS_CERT for TLS_CERT_FILE: without it the gateway would speak plain HTTP.
		if n := len(of) - 1; of[n] == "FILE" && slices.EqualFunc(words, of[:n], sameWord) {
			return k
		}
		if slices.EqualFunc(words, of, sameWord) || joined == strings.Join(of, "") {
			return k
		}
		if n := spelling.Distance(joined, strings.Join(of, "")); n < least {
			best, least = k, n
		}
	}
	return best
}

// short has the words that the settings abbreviate.
var short = map[string]string{"ADDRESS": "ADDR", "DIRECTORY": "DIR"}

// wordsOf splits a name into its words, in upper case. It removes the program's name from the front.
func wordsOf(name string) []string {
	words := strings.FieldsFunc(strings.ToUpper(name), func(r rune) bool { return strings.ContainsRune("_-. ", r) })
	if len(words) > 1 && words[0] == "SLUICE" {
		words = words[1:]
	}
	for i, w := range words {
		words[i] = cmp.Or(short[w], w)
	}
	return words
}

// sameWord reports whether two words are the same, or one is the plural of the other.
func sameWord(a, b string) bool { return singular(a) == singular(b) }

func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "IES"); ok {
		return stem + "Y"
	}
	return strings.TrimSuffix(word, "S")
}
