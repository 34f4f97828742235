package writers

import "github.com/labstack/echo/v4"

// SetHeaders sets the headers of a stream's answer. With keepAlive it asks old clients and proxies to keep the connection,
// which is for streams that do not end by themselves.
func SetHeaders(c echo.Context, contentType string, keepAlive bool) {
	head := c.Response().Header()
	head.Set(echo.HeaderContentType, contentType)
	head.Set(echo.HeaderCacheControl, "no-cache, no-store, no-transform")
	head.Set("X-Accel-Buffering", "no")
	// RFC 9113 8.2.2 knows no Connection header, and HTTP/1.0 ends the stream by closing.
	if r := c.Request(); keepAlive && r.ProtoMajor == 1 && r.ProtoMinor == 1 && !r.Close {
		head.Set(echo.HeaderConnection, "keep-alive")
	}
}

// The media types of streams.
const (
	EventStream = "text/event-stream"    // Server-Sent Events
	NDJSON      = "application/x-ndjson" // one JSON value a line
)
