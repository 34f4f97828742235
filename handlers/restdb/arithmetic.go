package restdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// errOverflow refuses a result outside the range of 64-bit integers. A float instead would lose precision, and a counter
// would stop counting.
var errOverflow = errors.New("would leave the range of 64-bit integers, from -9223372036854775808 to 9223372036854775807")

// arithmetic is a sum or a product. integers returns false on overflow; floats is for all other numbers.
type arithmetic struct {
	missing  string // the value of a missing field
	integers func(a, b int64) (int64, bool)
	floats   func(a, b float64) float64
}

var (
	add = arithmetic{"0", func(a, b int64) (int64, bool) {
		sum := a + b
		return sum, (sum > a) == (b > 0)
	}, func(a, b float64) float64 { return a + b }}
	multiply = arithmetic{"0", product, func(a, b float64) float64 { return a * b }}
)

// product multiplies two integers. It returns false on overflow.
func product(a, b int64) (int64, bool) {
	magnitude := func(n int64) uint64 {
		if n < 0 {
			return -uint64(n)
		}
		return uint64(n)
	}
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if (a < 0) != (b < 0) {
		return -int64(low), high == 0 && low <= 1<<63
	}
	return int64(low), high == 0 && low <= math.MaxInt64
}

// calculate makes the edit of $inc or $mul by a number.
func calculate(arg gjson.Result, r arithmetic) (edit, error) {
	if arg.Type != gjson.Number {
		return nil, fmt.Errorf("takes a number, not %s", query.KindOf(arg))
	}
	by := strings.Clone(arg.Raw)
	return func(was []byte) ([]byte, error) {
		if was == nil {
			was = []byte(r.missing)
		}
		if v := gjson.ParseBytes(was); v.Type != gjson.Number {
			return nil, fmt.Errorf("cannot change %s: it takes a field that holds a number, or none", query.KindOf(v))
		}
		return r.of(string(was), by)
	}, nil
}

// of applies the operation to two numbers. The result of two integers is an exact integer.
func (r arithmetic) of(a, b string) ([]byte, error) {
	if integral(a) && integral(b) {
		x, err := strconv.ParseInt(a, 10, 64)
		y, err2 := strconv.ParseInt(b, 10, 64)
		n, fits := r.integers(x, y)
		if err != nil || err2 != nil || !fits {
			return nil, errOverflow
		}
		return strconv.AppendInt(nil, n, 10), nil
	}
	f := r.floats(gjson.Parse(a).Num, gjson.Parse(b).Num)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, errors.New("would be too large for a number")
	}
	return json.Marshal(f)
}

// integral reports whether a number is written as an integer.
func integral(s string) bool { return !strings.ContainsAny(s, ".eE") }

// extreme makes the edit of $min (side -1) or $max (side 1). It sets the value if the field is missing, or if the value
// is lower ($min) or higher ($max) than the field's.
func extreme(arg gjson.Result, side int) edit {
	return func(was []byte) ([]byte, error) {
		if was == nil || query.Compare(arg, gjson.ParseBytes(was)) == side {
			return []byte(arg.Raw), nil
		}
		return was, nil
	}
}
