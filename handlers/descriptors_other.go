//go:build !unix

package handlers

import (
	"log/slog"
	"net"

	"sluice/handlers/traffic"
)

// WatchDescriptors watches nothing here: handles are not numbered by how many are in use.
func WatchDescriptors(*slog.Logger) *traffic.Descriptors { return nil }

func descriptorOf(net.Conn) (number int, ok bool) { return 0, false }

func exhausted(error) bool { return false }
