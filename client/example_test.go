package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"sluice/client"
)

// Order is the data of the events in these examples.
type Order struct {
	Number   int    `json:"number"`
	Customer string `json:"customer"`
}

func ExampleClient_Publish() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{Credential: exampleKey})
	if err != nil {
		log.Fatal(err)
	}
	id, err := c.Publish(ctx, "order", Order{Number: 17, Customer: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("published, and stored:", id != "")
	// Output:
	// published, and stored: true
}

func ExampleValues() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	publishOrders(ctx, address)
	c, err := client.New(address, client.Options{
		Credential: exampleKey,
		Channels:   []string{"order"},
		History:    client.History{From: "earliest", Until: "caught-up"}, // without it: what comes from now on, for ever
	})
	if err != nil {
		log.Fatal(err)
	}
	for order, err := range client.Values[Order](ctx, c) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(order.Channel(), order.Data.Number, order.Data.Customer)
	}
	// Output:
	// order 17 Ann
	// order 18 Bob
}

// Some errors are about one event or one place, and the loop may go on after them.
func ExampleValues_errors() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	publishOrders(ctx, address)
	publisher, err := client.New(address, client.Options{Credential: exampleKey})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := publisher.Publish(ctx, "order", "no order at all"); err != nil {
		log.Fatal(err)
	}
	c, err := client.New(address, client.Options{Credential: exampleKey, Channels: []string{"order"}, History: client.History{From: "earliest", Until: "caught-up"}})
	if err != nil {
		log.Fatal(err)
	}
	for order, err := range client.Values[Order](ctx, c) {
		var gap *client.GapError
		var bad *client.DecodeError
		switch {
		case errors.As(err, &gap):
			fmt.Println("some orders are missing:", gap.Reason) // read them from where they are kept
		case errors.As(err, &bad):
			fmt.Println("skipped an event of the name", bad.Event.Name)
		case err != nil:
			log.Fatal(err) // the client comes back from all that is temporary, so this is for good
		default:
			fmt.Println(order.Data.Number)
		}
	}
	// Output:
	// 17
	// 18
	// skipped an event of the name order
}

// Subscribe gives each frame as it is. Decode then chooses a type for each name.
func ExampleDecode() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	publishOrders(ctx, address)
	c, err := client.New(address, client.Options{Credential: exampleKey, History: client.History{From: "earliest", Until: "caught-up"}})
	if err != nil {
		log.Fatal(err)
	}
	err = c.Subscribe(ctx, func(e client.Event) error {
		switch e.Name {
		case "order":
			order, err := client.Decode[Order](e)
			if err != nil {
				return err // ends the subscription
			}
			fmt.Println("order", order.Data.Number)
		case "delete":
			gone, err := client.Decode[string](e)
			if err != nil {
				return err
			}
			fmt.Println(gone.Collection, gone.Data, "is gone")
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// order 17
	// order 18
	// customer 42 is gone
}

// A batch is stored as a whole or not at all.
func ExampleClient_PublishAll() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{Credential: exampleKey})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := c.PublishAll(ctx, []client.NewEvent{
		{Event: "order", Data: Order{Number: 17, Customer: "Ann"}},
		{Event: "put", Collection: "customer", Data: map[string]any{"name": "Ann", "orders": 1}},
	}, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(ids), "events")
	// Output:
	// 2 events
}

// Expect writes only if nobody else has written to the stream.
func ExampleExpect() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{Credential: exampleKey})
	if err != nil {
		log.Fatal(err)
	}
	opened, err := c.Publish(ctx, "opened", nil, client.Stream("account-7"), client.Expect("0"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err = c.Publish(ctx, "paid", 10, client.Stream("account-7"), client.Expect(opened)); err != nil {
		log.Fatal(err)
	}
	_, err = c.Publish(ctx, "paid", 20, client.Stream("account-7"), client.Expect(opened))
	var refused *client.StatusError
	if errors.As(err, &refused) && refused.Code == "expect_failed" {
		fmt.Println("somebody else was faster: read the stream again, and decide anew")
	}
	// Output:
	// somebody else was faster: read the stream again, and decide anew
}

// Who reads the log later does not get an event that was retracted, and who has it already learns of it.
func ExampleClient_Retract() {
	address, stop := startGateway()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{Credential: exampleKey, History: client.History{From: "earliest", Until: "caught-up"}})
	if err != nil {
		log.Fatal(err)
	}
	id, err := c.Publish(ctx, "order", Order{Number: 17, Customer: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Retract(ctx, id, ""); err != nil {
		log.Fatal(err)
	}
	for order, err := range client.Values[Order](ctx, c) {
		if err != nil {
			log.Fatal(err)
		}
		if order.Retracted != "" {
			fmt.Println("forget the order of the event", order.Retracted == id)
			continue
		}
		fmt.Println(order.Data.Number)
	}
	// Output:
	// forget the order of the event true
}

// publishOrders publishes what other examples read.
func publishOrders(ctx context.Context, address string) {
	c, err := client.New(address, client.Options{Credential: exampleKey})
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range []Order{{17, "Ann"}, {18, "Bob"}} {
		if _, err := c.Publish(ctx, "order", o); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := c.Publish(ctx, "delete", "42", client.Collection("customer")); err != nil {
		log.Fatal(err)
	}
}
