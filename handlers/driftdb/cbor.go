package driftdb

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json/jsontext"

	"sluice/store/syntax"
)

// Values arrive as JSON or as CBOR (RFC 8949). A client of the same format gets them unchanged; a client of the other gets
// the nearest value in it. From CBOR to JSON, byte strings and typed arrays become lists of numbers, and tags are left out.
// NaN, infinities, undefined and whole numbers of thousands of digits become null.

// appendHead appends a major type and its count, in the shortest form.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}

func appendCBORText(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// toCBOR converts JSON to CBOR, and preserves the order of keys. CBOR has the length of a list before the list. So all
// lengths are counted first, which makes the cost proportional to the text at any depth. That matters because toCBOR runs
// with the hub locked.
func toCBOR(dst, text []byte) ([]byte, error) {
	counts, err := counted(text)
	if err != nil {
		return dst, err
	}
	next := 0
	err = tokens(text, func(token jsontext.Token) {
		switch token.Kind() {
		case 'n':
			dst = append(dst, 0xf6)
		case 't':
			dst = append(dst, 0xf5)
		case 'f':
			dst = append(dst, 0xf4)
		case '"':
			dst = appendCBORText(dst, token.String())
		case '0':
			dst = appendNumber(dst, token.String())
		case '[':
			dst = appendHead(dst, majorArray, counts[next])
			next++
		case '{':
			dst = appendHead(dst, majorMap, counts[next]/2)
			next++
		}
	})
	return dst, err
}

// counted returns the number of values in each list and object of a text, in the order in which those begin. The names in an
// object count as values.
func counted(text []byte) (counts []uint64, err error) {
	var open []int
	err = tokens(text, func(token jsontext.Token) {
		if k := token.Kind(); k == ']' || k == '}' {
			open = open[:len(open)-1]
			return
		}
		if len(open) > 0 {
			counts[open[len(open)-1]]++
		}
		if k := token.Kind(); k == '[' || k == '{' {
			open = append(open, len(counts))
			counts = append(counts, 0)
		}
	})
	return counts, err
}

func tokens(text []byte, f func(jsontext.Token)) error {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f(token)
	}
}

// appendNumber appends a number: an integer if it is whole and fits 64 bits, else a double.
func appendNumber(dst []byte, text string) []byte {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return appendHead(dst, majorUint, n)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < 0 { // -0 is a double
		return appendHead(dst, majorNeg, uint64(-(n + 1)))
	}
	f, _ := strconv.ParseFloat(text, 64) // the error means out of range, and f is then infinite
	return binary.BigEndian.AppendUint64(append(dst, 0xfb), math.Float64bits(f))
}

// cborMode bounds the memory that a client's value can take.
var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxNestedLevels: 64, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 18,
		DupMapKey: cbor.DupMapKeyQuiet, IntDec: cbor.IntDecConvertNone, UTF8: cbor.UTF8RejectInvalid,
		BignumTag: cbor.BignumTagAllowed, DefaultMapType: nil,
	}.DecMode()
	if err != nil {
		panic(err) // the options are ours
	}
	return mode
}()

// cborNotes checks a whole value, whatever its parts.
var cborNotes = func() cbor.DiagMode {
	mode, err := cbor.DiagOptions{MaxNestedLevels: 64, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 18}.DiagMode()
	if err != nil {
		panic(err) // the options are ours
	}
	return mode
}()

// cborFields splits a map into its values, without changing their bytes. The library cannot do this for every value: it
// removes the tag 55799 (RFC 8949, 3.4.6), and refuses tags around content that it does not expect.
func cborFields(frame []byte) (map[string][]byte, error) {
	if err := cborMode.Wellformed(frame); err != nil {
		return nil, fmt.Errorf("it is not CBOR: %s", syntax.Explain(err))
	}
	major, n, rest := readHead(frame)
	for major == majorTag {
		major, n, rest = readHead(rest)
	}
	if major != majorMap {
		return nil, errNoMessage
	}
	fields := map[string][]byte{}
	for ; n > 0 && rest[0] != cborBreak; n-- {
		var key string
		value, err := cborMode.UnmarshalFirst(rest, &key)
		if err != nil {
			return nil, errNoMessage
		}
		rest = skip(value)
		fields[key] = value[:len(value)-len(rest)]
	}
	return fields, nil
}

var errNoMessage = errors.New("it is not a message of DriftDB")

// toJSON converts CBOR to JSON.
func toJSON(value []byte) ([]byte, error) {
	var v any
	err := cborMode.Unmarshal(value, &v)
	if err != nil && !errors.As(err, new(*cbor.InvalidMapKeyTypeError)) && cborMode.Wellformed(value) == nil {
		value, _ = dropTags(nil, value)
		err = cborMode.Unmarshal(value, &v)
	}
	if errors.As(err, new(*cbor.InvalidMapKeyTypeError)) {
		_, err = cborNotes.Diagnose(value) // the decoder has not checked the rest
		return []byte("null"), err         // JSON has no map with lists or maps as keys
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain(v))
}

// maxBits bounds a big number. The cost of its digits grows with the square of their count: 1.8 s for 1 MiB.
const maxBits = 1 << 13

// plain converts a decoded value to the nearest value that JSON has.
func plain(v any) any {
	switch v := v.(type) {
	case []byte:
		return numbers(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[keyText(k)] = plain(one)
		}
		return out
	case cbor.Tag:
		if content, ok := v.Content.([]byte); ok {
			if list := typedArray(v.Number, content); list != nil {
				return list
			}
		}
		return plain(v.Content)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	case float32:
		return plain(float64(v))
	case time.Time:
		switch y := v.UTC().Year(); {
		case v.IsZero():
			return nil // not a date: its seconds are NaN or infinite
		case y < 0 || y > 9999:
			return float64(v.UnixMilli()) / 1000 // RFC 3339 has no such year
		}
		return v.UTC().Format(time.RFC3339Nano)
	case big.Int:
		if v.BitLen() > maxBits {
			return nil
		}
		return json.Number(v.String())
	case cbor.SimpleValue:
		return nil
	}
	return v
}

func keyText(k any) string {
	switch k := k.(type) {
	case string:
		return k
	case []byte:
		return base64.StdEncoding.EncodeToString(k)
	}
	p := plain(k)
	if text, ok := p.(string); ok {
		return text
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Sprint(k)
	}
	return string(text)
}

func numbers(b []byte) []int {
	list := make([]int, len(b))
	for i := range b {
		list[i] = int(b[i])
	}
	return list
}

// typedArray reads the numbers of a typed array (RFC 8746, 2.1): the tag is 0b010fsell.
func typedArray(tag uint64, b []byte) any {
	if tag < 64 || tag > 87 || tag == 76 {
		return nil
	}
	float, signed, little, ll := tag&16 != 0, tag&8 != 0, tag&4 != 0, tag&3
	width := 1 << ll
	if float {
		width *= 2
	}
	if width > 8 || len(b)%width != 0 {
		return nil
	}
	list := make([]any, 0, len(b)/width)
	for ; len(b) > 0; b = b[width:] {
		raw := uint64(0)
		for i := range width {
			at := i
			if little {
				at = width - 1 - i
			}
			raw = raw<<8 | uint64(b[at])
		}
		list = append(list, number(raw, width, float, signed))
	}
	return list
}

func number(raw uint64, width int, float, signed bool) any {
	switch {
	case float && width == 8:
		return plain(math.Float64frombits(raw))
	case float && width == 4:
		return plain(float64(math.Float32frombits(uint32(raw))))
	case float:
		var f any
		if cborMode.Unmarshal(binary.BigEndian.AppendUint16([]byte{0xf9}, uint16(raw)), &f) != nil {
			return nil
		}
		return plain(f)
	case signed:
		shift := 64 - 8*width
		return int64(raw<<shift) >> shift
	}
	return raw
}

var errNoValue = errors.New("a push needs a value")
