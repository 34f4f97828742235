//go:build !unix

package handlers

import (
	"log/slog"
	"net"

	"sluice/handlers/traffic"
)

// WatchDescriptors watches nothing here: the number of a handle does not show how many are in use.
func WatchDescriptors(*slog.Logger) *traffic.Descriptors { return nil }

func descriptorOf(net.Conn) (number int, ok bool) { return 0, false }

func exhausted(error) bool { return false }
