//go:build unix

package handlers

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"syscall"

	"sluice/handlers/traffic"
)

// WatchDescriptors watches the process's descriptors. It returns nil if the process may have any number of them.
func WatchDescriptors(logger *slog.Logger) *traffic.Descriptors {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return nil
	}
	return traffic.NewDescriptors(int(limit.Cur), probe, logger)
}

// probe opens n descriptors for a moment and returns the highest number among them.
func probe(n int) (highest int) {
	for range n {
		fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return math.MaxInt
		}
		defer syscall.Close(fd) // nothing was written
		highest = max(highest, fd)
	}
	return highest
}

// descriptorOf returns the number of a connection's descriptor, or false if it has none.
func descriptorOf(c net.Conn) (number int, ok bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err == nil
}

// exhausted reports whether an error means that the process, or the system, has no descriptor left.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
