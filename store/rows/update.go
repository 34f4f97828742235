package rows

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Update is the JSON of a row's new value. It has the members of the old value, was, that the type of the value does not
// know: a newer version of the gateway has written them, and needs them when it reads the row again.
func Update(was []byte, value any) ([]byte, error) {
	is, err := json.Marshal(value)
	if err != nil || was == nil {
		return is, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(was, &members) != nil {
		return is, nil // the old value was no object
	}
	for name := range names(reflect.TypeOf(value)) {
		delete(members, name)
	}
	if len(members) == 0 {
		return is, nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(is, &fields); err != nil {
		return nil, fmt.Errorf("a row must be a JSON object: %w", err)
	}
	for name, text := range fields {
		members[name] = text
	}
	return json.Marshal(members)
}

// names returns the JSON names of a struct's fields.
func names(t reflect.Type) map[string]bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	all := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			all[name] = true
		}
	}
	return all
}
