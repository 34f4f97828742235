package config

import (
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Setting is one line of what is in force; Source is default (with the memory that it is lowered for, if it is),
// environment or .env, behind the name of the file's setting where the value is read from a file.
type Setting struct {
	Name, Value, Default, Source, Doc string
	Secret                            bool
}

// Load reads the settings out of an environment (as os.Environ gives it) and a .env file, which need
// not exist. The error is Faults; the Config then holds what could be read, so that a caller can check
// what only it understands and report its faults together with these.
func Load(environ []string, dotenv string) (*Config, error) {
	return LoadWithin(FullMemory, environ, dotenv)
}

// LoadWithin is Load for a process with that much memory, in bytes: with less than FullMemory, some defaults are lower.
func LoadWithin(memory int64, environ []string, dotenv string) (*Config, error) {
	values, sources, unknown, faults := gather(environ, dotenv)
	c := &Config{unknown: unknown}
	fields := fieldsOf(c)
	for i := range fields {
		f := &fields[i]
		f.scale(memory)
		// Each field is parsed by itself, so that every fault has its setting's name.
		if err := f.parse(values[f.name]); err != nil {
			faults = append(faults, Fault{f.name, f.show(values[f.name]), err.Error()})
		}
	}
	faults = append(faults, c.check(fields, values)...)
	for _, f := range fields {
		c.settings = append(c.settings, f.setting(values[f.name], sources[f.name]))
	}
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
		return c, faults
	}
	return c, nil
}

// Sources of values.
const (
	sourceEnvironment = "environment"
	sourceDotenv      = ".env"
)

// gather merges .env under the environment; empty values count as not set. unknown are names in .env that are no settings.
func gather(environ []string, dotenv string) (values, sources map[string]string, unknown []string, faults Faults) {
	values, sources = map[string]string{}, map[string]string{}
	file, err := readDotenv(dotenv)
	if err != nil {
		faults = append(faults, Fault{sourceDotenv, masked, err.Error()})
	}
	near, unknown := checkNames(file)
	faults = append(faults, near...)
	take := func(from map[string]string, source string) {
		for name, v := range from {
			if v != "" {
				values[name], sources[name] = v, source
			}
		}
	}
	take(file, sourceDotenv)
	take(env.ToMap(environ), sourceEnvironment)
	return values, sources, unknown, append(faults, readSecretFiles(values, sources)...)
}

// Unknown are the names in .env that are no settings of the gateway, sorted. They may be those of other programs.
func (c *Config) Unknown() []string { return slices.Clone(c.unknown) }

// Effective is what is in force, secrets masked, in the order of the struct.
func (c *Config) Effective() []Setting { return slices.Clone(c.settings) }
