package documents_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"sluice/store/documents"
)

// many returns n fields, as short as possible.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%s":0,`, strconv.FormatInt(int64(i), 36))
	}
	return strings.TrimSuffix(b.String(), ",")
}

// CheckWidth refuses exactly the texts in which a document has too many fields, whatever is around it.
func TestCheckWidth(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{MaxDocument: 10_000})
	defer closeLog(t, log)
	const most = 2000
	full, over := many(most), many(most+1)
	one, list := `{`+full+`}`, strings.Repeat(`{`+full+`},`, 9)+`{`+full+`}`
	for _, tt := range []struct {
		text  string
		depth int
		wide  bool
	}{
		{one, 1, false}, {`{` + over + `}`, 1, true}, {`{` + over + `}`, 2, true},
		{"[" + list + "]", 1, false}, {"[" + list + ",{" + over + "}," + list + "]", 1, true},
		{`{"type":"items","data":[` + list + `],"uid":1}`, 2, false}, {`{"data":[` + list + `,{` + over + `}]}`, 2, true},
		{`{"data":[` + list + `]}`, 1, true}, {`{"data":{"a":[` + list + `]}}`, 2, true}, {"[[" + list + "]]", 1, true},
		{`{"data":` + one + `,"uid":1}`, 2, false}, {`{"data":{` + over + `},"uid":1}`, 2, true},
		{`{"$set":{` + over + `}}`, 1, true}, {`{"a":{` + many(most/2) + `},"b":{` + many(most/2+1) + `}}`, 1, true},
		{"{" + strings.Repeat(`"a":[0,0],`, most) + `"b":[]}`, 2, true}, {strings.Repeat(`{"":`, most+1) + "0" + strings.Repeat("}", most+1), 1, true},
		{`["` + strings.Repeat(`:\":`, 9*most) + `"]`, 1, false}, {`{"a":[` + strings.Repeat("0,", 9*most) + `0]}`, 1, false},
		{strings.Repeat(`{"`, most*9), 1, false}, {"", 1, false},
	} {
		err := s.CheckWidth([]byte(tt.text), tt.depth)
		if wide := errors.As(err, new(*documents.LimitError)); wide != tt.wide || !wide && err != nil {
			t.Errorf("%.60s, depth %d: %v", tt.text, tt.depth, err)
		}
	}
}

// A document that just fits never has too many fields, however short they are.
func TestWidthOfWhatFits(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{MaxDocument: 10_000})
	defer closeLog(t, log)
	for _, fill := range []func(n int) string{
		func(n int) string { return `{` + many(n) + `}` },
		func(n int) string { return `{"a":[` + strings.Repeat(`{"":0},`, n) + `0]}` },
		func(n int) string {
			return `{"a":[` + strings.Repeat(strings.Repeat(`{"":`, 90)+"0"+strings.Repeat("}", 90)+",", n/90) + `0]}`
		},
	} {
		n := 0
		for ; ; n += 90 {
			_, err := s.Insert(t.Context(), "c", "", []documents.New{{Fields: fields(t, fill(n))}})
			if errors.As(err, new(*documents.LimitError)) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.CheckWidth([]byte(fill(n)+strings.Repeat(" ", 10_000)), 1); err != nil {
				t.Errorf("%d fields: %v", n, err)
			}
		}
		if n < 1000 {
			t.Errorf("only %d fields fit", n)
		}
	}
}
