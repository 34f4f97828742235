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
	name, fallback, doc, least, most string
	lowered                          string // the memory that the default is lowered for, if it is
	secret, url                      bool
	scaled                           bool // the default is for FullMemory
	value                            reflect.Value
}

func fieldsOf(c *Config) []field {
	v := reflect.ValueOf(c).Elem()
	var out []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("env") == "" {
			continue
		}
		out = append(out, field{
			name: tag.Get("env"), fallback: tag.Get("envDefault"), doc: tag.Get("doc"),
			least: tag.Get("min"), most: tag.Get("max"),
			secret: tag.Get("secret") == "true", url: tag.Get("secret") == "url", scaled: tag.Get("memory") == "true", value: v.Field(i),
		})
	}
	return out
}

// parse sets the field from text, or from its default where the text is empty. After an error it has
// the zero value, so that later checks do not speak of what is known to be wrong.
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

// read makes a value of the field's type.
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

// within says whether v is inside the bounds of the tags min and max. A number that is none (NaN) is
// not.
func (f *field) within(v reflect.Value) bool {
	if f.least == "" {
		return true
	}
	least, err := f.read(f.least)
	if err != nil || !(number(v) >= number(least)) {
		return false
	}
	if f.most == "" {
		return true
	}
	most, err := f.read(f.most)
	return err == nil && number(v) <= number(most)
}

func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// kinds say what a value must look like, for types whose own parser does not tell.
var kinds = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): "a duration",
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[float64]():       "a number",
	reflect.TypeFor[Size]():          "a size",
	reflect.TypeFor[slog.Level]():    "debug, info, warn or error",
}

// allowed says what a value must be: "must be a duration from 100ms to 1h, as 15s".
func (f *field) allowed() string {
	s := "must be " + kinds[f.value.Type()]
	switch {
	case f.most != "":
		s += " from " + f.least + " to " + f.most
	case f.least != "":
		s += " of " + f.least + " or more"
	}
	if f.least != "" && f.fallback != "0" {
		s += ", as " + f.fallback
	}
	return s
}

// show is a value as it may be printed. An address may carry a password or a key; it is shown only
// where it has no place for either.
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
