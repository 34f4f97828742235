//go:build !linux

package load

import (
	"context"
	"errors"
)

const sources = 1

type run struct {
	o          *Options
	publishers *publishers
}

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) {
	return nil, errors.New("sluice bench reads sockets with epoll and the server's CPU from /proc; it needs Linux")
}
