package writers

import (
	"bufio"
	"errors"
	"net"
	"net/http"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"sluice/handlers/wsframe"
	"sluice/store/share"
)

// Errors that end sockets, for the log.
var (
	errHalf    = errors.New("a message or frame that had begun did not come to its end in time")
	errNoPong  = errors.New("neither a pong nor a message has come in time")
	errStalled = errors.New("its credential has ended, and it takes nothing")
)

// upgrading stands between the library, which checks a handshake and sets the headers of its answer, and the answer, which
// our writers send themselves. The library's own connection has buffers and a goroutine for each socket.
type upgrading struct {
	http.ResponseWriter
	agreed bool
}

// errAgreed ends the library's part.
var errAgreed = errors.New("the handshake is right")

func (u *upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	u.agreed = true
	return nil, nil, errAgreed
}

// WriteHeader leaves the head to our writers once the handshake is right.
func (u *upgrading) WriteHeader(status int) {
	if !u.agreed && status != http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
	}
}

func (u *upgrading) Write(b []byte) (int, error) {
	if u.agreed {
		return len(b), nil
	}
	return u.ResponseWriter.Write(b)
}

// upgrade checks the handshake of a WebSocket, and sets the headers of the answer. After an error it has answered. Any origin
// may connect: package auth checks the Origin of a request whose credential is in a cookie, the id of a room is its secret, and
// keys name their origins.
func upgrade(c echo.Context) error {
	u := &upgrading{ResponseWriter: c.Response()}
	header := c.Response().Header()
	_, err := websocket.Accept(u, c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if !u.agreed {
		return err
	}
	header.Del(echo.HeaderContentType) // of the error that the library has answered to nobody
	header.Del("X-Content-Type-Options")
	return nil
}

// ServeSocket begins a conversation on the connection of a request for a WebSocket. It may return long before the socket ends.
// Frames and messages that arrive are charged to the account.
func (p Place) ServeSocket(c echo.Context, s *Stream, conv Conversation, o *SocketOptions, account *share.Account) {
	reason, err := Failed, error(nil)
	defer func() { // after a panic as well
		if reason != "" {
			s.end(reason, err)
		}
	}()
	if err = upgrade(c); err != nil {
		reason = Gone
		return
	}
	s.web = newWebSocket(conv, o, account)
	if p.shard == nil {
		reason, err = p.writers.serveSocket(c, s, p.Group)
		return
	}
	reason, err = p.shard.takeOverSocket(c, s)
}

// Slot returns the Filter.Slot of further subscribers of a socket. It may be called by methods of its Conversation.
func (s *Stream) Slot() int32 { return s.socket.slot }

// faulty returns how a socket ends whose client has broken the protocol.
func faulty(err error) Closing {
	c := Closing{Reason: Gone, Cause: err}
	var fault *wsframe.Fault
	if errors.As(err, &fault) {
		c.Code, c.Text = fault.Code, fault.Text
	}
	return c
}
