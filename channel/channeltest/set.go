// Package channeltest makes sets of patterns for tests.
package channeltest

import "sluice/channel"

// Set is the set of the patterns with these spellings. It panics on a bad one: tests write them out.
func Set(texts ...string) channel.Set {
	patterns := make([]channel.Pattern, 0, len(texts))
	for _, text := range texts {
		p, err := channel.Parse(text)
		if err != nil {
			panic(err)
		}
		patterns = append(patterns, p)
	}
	return channel.NewSet(patterns...)
}
