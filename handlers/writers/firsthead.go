package writers

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// heads are buffers for the first bytes of streams.
var heads = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// appendHead writes the answer's head as net/http would.
func appendHead(b *bytes.Buffer, r *http.Request, header http.Header, chunked bool) {
	proto := "HTTP/1.1"
	if r.ProtoMinor == 0 {
		proto = "HTTP/1.0"
	}
	b.WriteString(proto)
	b.WriteString(" 200 OK\r\n")
	_ = header.Write(b) // a Buffer takes everything
	if chunked && header.Get(echo.HeaderConnection) == "" {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("Date: ")
	b.Write(time.Now().UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
	if chunked {
		b.WriteString("\r\nTransfer-Encoding: chunked")
	}
	b.WriteString("\r\n\r\n")
}

// appendUpgrade appends the head of the answer to the handshake of a WebSocket.
func appendUpgrade(dst []byte, header http.Header) []byte {
	b := bytes.NewBuffer(append(dst, "HTTP/1.1 101 Switching Protocols\r\n"...))
	_ = header.Write(b) // a Buffer takes everything
	b.WriteString("Date: ")
	b.Write(time.Now().UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
	b.WriteString("\r\n\r\n")
	return b.Bytes()
}

// hijack takes the connection of a request from net/http, with what was read of it already.
func hijack(c echo.Context, status int) (net.Conn, []byte, error) {
	conn, both, err := http.NewResponseController(c.Response().Writer).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	c.Response().Committed, c.Response().Status = true, status
	read, _ := both.Reader.Peek(both.Reader.Buffered()) // which it has
	return conn, bytes.Clone(read), nil
}
