package config

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// Fault is what is wrong with one setting.
type Fault struct{ Name, Value, Why string }

// Faults are all that is wrong, masked: an error to print.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d setting(s) cannot be used; nothing was started:", len(f))
	for _, x := range f {
		fmt.Fprintf(&b, "\n  %s=%s: %s", x.Name, x.Value, x.Why)
	}
	return b.String()
}

// masked stands for a secret.
const masked = "***"

// Setting is one line of what is in force.
type Setting struct {
	Name, Value, Default, Source, Doc string
	Secret                            bool
}

// Load reads the settings out of an environment (as os.Environ gives it) and a .env file, which need
// not exist. The error is Faults.
func Load(environ []string, dotenv string) (*Config, error) {
	values, sources, faults := gather(environ, dotenv)
	c := &Config{}
	fields := fieldsOf(c)
	for _, f := range fields {
		// Each field is parsed by itself, so that every fault has its setting's name.
		if err := f.parse(values[f.name]); err != nil {
			faults = append(faults, f.fault(values[f.name], err))
		}
	}
	faults = append(faults, c.check(values)...)
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
		return nil, faults
	}
	for _, f := range fields {
		c.settings = append(c.settings, f.setting(values[f.name], sources[f.name]))
	}
	return c, nil
}

// gather merges .env under the environment; empty values count as not set.
func gather(environ []string, dotenv string) (values, sources map[string]string, faults Faults) {
	values, sources = map[string]string{}, map[string]string{}
	file, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// The parser's own message quotes the line, which may hold a secret.
		faults = append(faults, Fault{".env", masked, "cannot be read: " + dotenv + " must hold lines of NAME=value"})
	}
	for name, v := range file {
		if v != "" {
			values[name], sources[name] = v, ".env"
		}
	}
	for name, v := range env.ToMap(environ) {
		if v != "" {
			values[name], sources[name] = v, "environment"
		}
	}
	return values, sources, faults
}

// field is one setting of the struct.
type field struct {
	name, fallback, doc, least, most string
	secret                           bool
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
			least: tag.Get("min"), most: tag.Get("max"), secret: tag.Get("secret") == "true", value: v.Field(i),
		})
	}
	return out
}

// kinds say what a value of a type must look like, where the type's own parser does not.
var kinds = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): "must be a duration, as 500ms, 15s, 72h",
	reflect.TypeFor[bool]():          "must be true or false",
	reflect.TypeFor[int]():           "must be a whole number",
	reflect.TypeFor[float64]():       "must be a number",
}

// parse sets the field from text, or from its default where the text is empty.
func (f *field) parse(text string) error {
	if text == "" {
		text = f.fallback
	}
	if text == "" {
		return nil
	}
	if err := f.set(f.value, text); err != nil {
		return err
	}
	return f.bounds()
}

func (f *field) set(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			if f.name == "LOG_LEVEL" {
				return errors.New("must be debug, info, warn or error")
			}
			return err
		}
		return nil
	}
	// caarlos0/env parses the plain types, wrapped in a struct of this one field.
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "V", Type: v.Type(), Tag: `env:"V"`}}))
	if err := env.ParseWithOptions(holder.Interface(), env.Options{Environment: map[string]string{"V": text}}); err != nil {
		return errors.New(kinds[v.Type()])
	}
	v.Set(holder.Elem().Field(0))
	return nil
}

func (f *field) bounds() error {
	if f.least == "" {
		return nil
	}
	for _, limit := range []string{f.least, f.most} {
		if limit == "" {
			continue
		}
		bound := reflect.New(f.value.Type()).Elem()
		if err := f.set(bound, limit); err != nil {
			return err
		}
		below := number(f.value) < number(bound)
		above := number(f.value) > number(bound)
		if limit == f.least && (below || number(f.value) != number(f.value)) || limit == f.most && above {
			if f.most == "" {
				return fmt.Errorf("must be %s or more", f.least)
			}
			return fmt.Errorf("must be from %s to %s", f.least, f.most)
		}
	}
	return nil
}

func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

func (f *field) fault(value string, err error) Fault {
	return Fault{f.name, f.show(value), err.Error()}
}

func (f *field) show(value string) string {
	if f.secret && value != "" {
		return masked
	}
	return value
}

func (f *field) setting(value, source string) Setting {
	if value == "" {
		value, source = f.fallback, "default"
	}
	return Setting{Name: f.name, Value: f.show(value), Default: f.fallback, Source: source, Doc: f.doc, Secret: f.secret}
}

// Effective is what is in force, secrets masked, in the order of the struct.
func (c *Config) Effective() []Setting { return c.settings }

// readable says whether a file can be read, without the path twice in the message.
func readable(name string) error {
	f, err := os.Open(name)
	if err == nil {
		return f.Close()
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fmt.Errorf("must name a file that can be read: %w", err)
}
