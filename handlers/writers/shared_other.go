//go:build !linux

package writers

import (
	"errors"

	"github.com/labstack/echo/v4"

	"sluice/broker"
)

// Only Linux has the shared writer.
type (
	socket       struct{ slot int32 }
	sharedSocket struct{}
	shared       struct{}
	shard        struct{ group *broker.Group }
)

func newShared(*Config) (*shared, error) { return nil, nil }

func (*shared) close() {}

func (*shared) next() *shard { return nil }

func (*shard) takeOver(echo.Context, *Stream, bool) (broker.End, error) {
	return Failed, errors.ErrUnsupported
}

func (*shard) takeOverSocket(echo.Context, *Stream) (broker.End, error) {
	return Failed, errors.ErrUnsupported
}
