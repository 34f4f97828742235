package config

import (
	"reflect"
	"strconv"
)

// FullMemory is what the defaults are made for. With less of it, those of settings with the tag memory are less in proportion.
const FullMemory = 1 << 30

// ShareOf is the part of a number that there is memory for, but at least least.
func ShareOf(memory, n, least int64) int64 {
	if memory >= FullMemory {
		return n
	}
	return max(min(least, n), int64(float64(n)*float64(memory)/FullMemory))
}

// scale makes a default that is for FullMemory one for some memory.
func (f *field) scale(memory int64) {
	if !f.scaled || memory >= FullMemory {
		return
	}
	full, err := f.read(f.fallback)
	if err != nil {
		panic(err) // a default is one of ours
	}
	least, err := f.read(f.least)
	if err != nil {
		panic(err) // likewise
	}
	n := ShareOf(memory, full.Int(), least.Int())
	if f.fallback = strconv.FormatInt(n, 10); n < full.Int() {
		f.lowered = Size(memory).String()
	}
	if full.Type() == reflect.TypeFor[Size]() {
		f.fallback = Size(n).String()
	}
}
