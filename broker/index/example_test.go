package index_test

import (
	"fmt"
	"slices"

	"sluice/broker/index"
	"sluice/channel"
	"sluice/channel/channeltest"
)

// Which of two views wants an event?
func Example() {
	x := index.New[string]()
	x.Add(channel.Everything(), "dashboard")
	inbox := channeltest.Set("inbox-42", "news")
	entry := x.Add(inbox, "user 42")

	news := channel.Of("", "news", "")
	views := x.Match(news, nil)
	slices.Sort(views)
	fmt.Println(views)

	x.Remove(entry)
	fmt.Println(x.Match(news, nil))
	// Output:
	// [dashboard user 42]
	// [dashboard]
}
