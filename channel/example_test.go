package channel_test

import (
	"fmt"

	"sluice/channel"
	"sluice/channel/channeltest"
)

// A grant, the part of it that a request asks for, and the events that match that.
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
