package config

import (
	"encoding"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// masked stands for a secret.
const masked = "***"

// field is one setting of the struct.
type field struct {
	name, fallback, doc, min, max string
	group                         string // the name of its group
	lowered                       string // the size of the memory, where the default is lowered for it
	secret, url                   bool
	scaled                        bool // the default is made for FullMemory
	value                         reflect.Value
}

func fieldsOf(c *Config) []field {
	v := reflect.ValueOf(c).Elem()
	var out []field
	group := ""
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("env") == "" {
			continue
		}
		if name := tag.Get("group"); name != "" {
			group = name
		}
		out = append(out, field{
			group: group,
			name:  tag.Get("env"), fallback: tag.Get("envDefault"), doc: tag.Get("doc"),
			min: tag.Get("min"), max: tag.Get("max"),
			secret: tag.Get("secret") == "true", url: tag.Get("secret") == "url", scaled: tag.Get("memory") == "true", value: v.Field(i),
		})
	}
	return out
}

// parse sets the field from text, or from its default if the text is empty. After an error the field has
// the zero value, so that later checks do not report the same mistake again.
func (f *field) parse(text string) error {
	if text == "" {
		text = f.fallback
	}
	if text == "" {
		return nil
	}
	v, err := f.read(text)
	if err != nil {
		return err
	}
	if !f.within(v) {
		return errors.New(f.allowed())
	}
	f.value.Set(v)
	return nil
}

// read parses text as the field's type.
func (f *field) read(text string) (reflect.Value, error) {
	v := reflect.New(f.value.Type())
	if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		err := u.UnmarshalText([]byte(text))
		if _, known := kinds[f.value.Type()]; err != nil && known {
			err = errors.New(f.allowed())
		}
		return v.Elem(), err
	}
	// caarlos0/env parses the plain types, wrapped in a struct of this one field.
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "V", Type: f.value.Type(), Tag: `env:"V"`}}))
	if err := env.ParseWithOptions(holder.Interface(), env.Options{Environment: map[string]string{"V": text}}); err != nil {
		return v.Elem(), errors.New(f.allowed())
	}
	return holder.Elem().Field(0), nil
}

// within reports whether v is inside the bounds of the tags min and max. NaN is not.
func (f *field) within(v reflect.Value) bool {
	if f.min == "" {
		return true
	}
	lower, err := f.read(f.min)
	if err != nil || !(number(v) >= number(lower)) { // not <, which is false for NaN
		return false
	}
	if f.max == "" {
		return true
	}
	upper, err := f.read(f.max)
	return err == nil && number(v) <= number(upper)
}

func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// kinds describes a valid value, for types whose own parser gives no useful error.
var kinds = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): "a duration",
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[float64]():       "a number",
	reflect.TypeFor[Size]():          "a size",
	reflect.TypeFor[slog.Level]():    "debug, info, warn or error",
}

// allowed describes the valid values: "must be a duration from 100ms to 1h, such as 15s".
func (f *field) allowed() string {
	s := "must be " + kinds[f.value.Type()]
	switch {
	case f.max != "":
		s += " from " + f.min + " to " + f.max
	case f.min != "":
		s += " of " + f.min + " or more"
	}
	if f.min != "" && f.fallback != "0" {
		s += ", such as " + f.fallback
	}
	return s
}

// show returns a value in the form in which it may be printed. A URL may contain a password or a key, so one
// with a user part or a query is masked.
func (f *field) show(value string) string {
	if value != "" && (f.secret || f.url && strings.ContainsAny(value, "@?")) {
		return masked
	}
	return printable(value)
}

func (f *field) setting(value, source string) Setting {
	if value == "" {
		value, source = f.fallback, "default"
		if f.lowered != "" {
			source = "default with " + f.lowered + " of memory"
		}
	}
	return Setting{Name: f.name, Value: f.show(value), Default: f.fallback, Source: source, Doc: f.doc, Secret: f.secret}
}
