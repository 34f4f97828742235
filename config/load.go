package config

import (
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Setting is a setting and the value that it has. Source is "default", "environment" or ".env"; a lowered default also
// names the size of the memory, and a value from a file the setting that names the file.
type Setting struct {
	Name, Value, Default, Source, Doc string
	Secret                            bool
}

// Load reads the settings from an environment (as os.Environ returns it) and from a .env file, which need
// not exist. Its error is of type Faults. The Config then has the values that could be read, so that a caller
// can check them further and report all faults together.
func Load(environ []string, dotenv string) (*Config, error) {
	return LoadWithin(FullMemory, environ, dotenv)
}

// LoadWithin is Load for a process with the given memory, in bytes. With less than FullMemory, some defaults are lower.
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

const (
	sourceEnvironment = "environment"
	sourceDotenv      = ".env"
)

// gather merges .env and the environment, which wins. Empty values count as not set. unknown has the names in .env that
// are no settings.
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

// Unknown returns the names in .env that are no settings of the gateway, sorted. They may belong to other programs.
func (c *Config) Unknown() []string { return slices.Clone(c.unknown) }

// Effective returns all settings with the values that they have, secrets masked, in the order of the struct.
func (c *Config) Effective() []Setting { return slices.Clone(c.settings) }
