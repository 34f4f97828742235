package channel_test

import (
	"fmt"

	"sluice/channel"
	"sluice/channel/channeltest"
)

// A grant, what a request narrows it to, and which events that lets through.
func Example() {
	grant := channeltest.Set("*:customer", "chat-*")
	asked, err := channel.Parse("put:*")
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := grant.Narrow([]channel.Pattern{asked})
	fmt.Println(set, err)
	fmt.Println(set.Match(channel.Of("", "patch", "customer")), set.Match(channel.Of("", "post", "customer")))
	// Output:
	// PUT:customer <nil>
	// true false
}
