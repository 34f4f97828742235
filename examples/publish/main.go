package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// main publishes the event, or the array of events, that its argument is. PATIENCE is in seconds.
func main() {
	event := json.RawMessage(strings.Join(os.Args[1:], " "))
	if !json.Valid(event) {
		fmt.Fprintln(os.Stderr, `give an event, or several, as JSON: '{"event":"news","data":"hello"}'`)
		os.Exit(1)
	}
	patience, err := time.ParseDuration(cmp.Or(os.Getenv("PATIENCE"), "60") + "s")
	if err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := Publish(ctx, event)
	if err != nil {
		fail(err)
	}
	for _, id := range append(answer.IDs, answer.ID) {
		if id != "" {
			fmt.Println(id)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "not published:", err)
	os.Exit(1)
}
