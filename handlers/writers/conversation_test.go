package writers

import (
	"context"
	"time"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/wsframe"
)

// silent is a conversation that says nothing.
type silent struct{}

func (silent) Serve(*Turn, time.Time) (Say, error)                { return Say{}, nil }
func (silent) Woken(*broker.Subscriber)                           {}
func (silent) Work(context.Context) error                         { return nil }
func (silent) Take(context.Context, *wsframe.Message) error       { return nil }
func (silent) Taken()                                             {}
func (silent) Tick(time.Time) (bool, error)                       { return false, nil }
func (silent) Due() time.Time                                     { return time.Time{} }
func (silent) Wrote(int, time.Time)                               {}
func (silent) MaxMessage() int64                                  { return 1000 }
func (silent) Identity() *auth.Identity                           { return nil }
func (silent) Closing(reason broker.End, err error) (end Closing) { return Closing{Reason: reason} }
