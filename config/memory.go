package config

import (
	"reflect"
	"strconv"
)

// FullMemory is the memory, in bytes, that the defaults are made for. With less, the defaults of settings with the tag
// memory are lower in proportion.
const FullMemory = 1 << 30

// ShareOf lowers n in proportion where memory, in bytes, is less than FullMemory; but not below least.
func ShareOf(memory, n, least int64) int64 {
	if memory >= FullMemory {
		return n
	}
	return max(min(least, n), int64(float64(n)*float64(memory)/FullMemory))
}

// scale lowers a default that is made for FullMemory to fit the given memory.
func (f *field) scale(memory int64) {
	if !f.scaled || memory >= FullMemory {
		return
	}
	full, err := f.read(f.fallback)
	if err != nil {
		panic(err) // the text is from a tag of Config
	}
	least, err := f.read(f.min)
	if err != nil {
		panic(err)
	}
	n := ShareOf(memory, full.Int(), least.Int())
	if f.fallback = strconv.FormatInt(n, 10); n < full.Int() {
		f.lowered = Size(memory).String()
	}
	if full.Type() == reflect.TypeFor[Size]() {
		f.fallback = Size(n).String()
	}
}
