package journal

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// leftOut are the fields that a message does not have, and why. All others must survive.
var leftOut = map[string]string{
	"Requests.Events.ID":              "given when the request is applied",
	"Requests.Events.Drops":           "found when the request is applied",
	"Requests.Once.Replayed":          "found when the request is applied",
	"Requests.Sizes":                  "found when the request is applied",
	"Requests.Stored":                 "a function of the process that made the request, which calls it",
	"Requests.FromReserve":            "about the disk of the process that made the request, which has admitted it; applying does not read it",
	"Requests.Edit.Replace.New.Drops": "an event that is replaced is no keyed one",
}

func init() {
	for _, list := range []string{"Requests.Edit.Remove", "Requests.Edit.Replace.Old"} {
		for _, field := range []string{"Name", "Collection", "Stream", "Key", "Op", "Seq", "Data", "Drops", "Meta"} {
			leftOut[list+"."+field] = "the space and the id find the event"
		}
	}
}

// TestEveryFieldSurvives fails when a request gets a field that the codec does not know: encode it, or say in leftOut why not.
func TestEveryFieldSurvives(t *testing.T) {
	t.Parallel()
	var m message
	fill(t, reflect.ValueOf(&m).Elem(), new(uint64))
	w := &wire{}
	w.message(&m) // such a message is refused as a whole, since an edit is not alone in it
	back, got := &wire{b: w.b, reading: true}, message{}
	back.message(&got)
	if back.err != nil || len(back.b) > 0 {
		t.Fatalf("reading: %v, %d bytes are left", back.err, len(back.b))
	}
	seen := map[string]bool{}
	survives(t, "", reflect.ValueOf(m), reflect.ValueOf(got), seen)
	for path := range leftOut {
		if !seen[path] {
			t.Errorf("leftOut has %s, which is no field", path)
		}
	}
}

// fill sets all that a value has to something that is not zero.
func fill(t *testing.T, v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-int64(*n))
	case reflect.Uint64:
		v.SetUint(*n)
	case reflect.Uint8:
		v.SetUint(1 + *n%255)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Func:
		v.Set(reflect.ValueOf(func() {}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	default:
		t.Fatalf("the test cannot fill a %s: teach it", v.Type())
	}
}

// survives compares a field with what became of it.
func survives(t *testing.T, path string, was, is reflect.Value, seen map[string]bool) {
	seen[path] = true
	if reason, out := leftOut[path]; out {
		if !is.IsZero() {
			t.Errorf("%s survives, though leftOut says: %s", path, reason)
		}
		return
	}
	switch was.Kind() {
	case reflect.Struct:
		for i := range was.NumField() {
			survives(t, strings.TrimPrefix(path+"."+was.Type().Field(i).Name, "."), was.Field(i), is.Field(i), seen)
		}
	case reflect.Pointer:
		if is.IsNil() {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
			return
		}
		survives(t, path, was.Elem(), is.Elem(), seen)
	case reflect.Slice, reflect.Array:
		if is.Len() != was.Len() {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
			return
		}
		for i := range was.Len() {
			survives(t, path, was.Index(i), is.Index(i), seen)
		}
	default:
		if !was.Equal(is) {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
		}
	}
}
