package handlers

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A client whose head is refused, and that is still sending it, can send the rest and read the answer. A connection that is closed
// with something unread is reset, and then the client's writes fail before it has read why.
func TestRestOfRefusedHead(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).SetWriteBuffer(4 << 10); err != nil { // so that most of it is yet to be sent
		t.Fatal(err)
	}
	if err := client.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, restBytes/2))
		sent <- errors.Join(err, client.(*net.TCPConn).CloseWrite())
	}()
	if _, err := io.ReadFull(server, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_ = refuseHead(server, true, errors.New("full")) // the error is for net/http, which closes then
	server.Close()
	if err := <-sent; err != nil {
		t.Errorf("sending the rest: %v", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%+v %v", answer, err)
	}
}
