// Command socket is the floor for WebSockets with the library that the gateway uses: bytes that are ready are sent to
// all connections in turn by one goroutine, with no deadline, no order to keep and nothing stored.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9005", "where to listen")
	cert, key := flag.String("cert", "", "certificate, for TLS"), flag.String("key", "", "its key")
	flag.Parse()
	var mu sync.Mutex
	var all []*websocket.Conn
	seq := 0
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return // it has answered
		}
		ctx := ws.CloseRead(context.Background())
		mu.Lock()
		all = append(all, ws)
		mu.Unlock()
		<-ctx.Done()
	})
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		seq++
		text := fmt.Appendf(nil, `{"type":"push","key":"bench","value":"%s","seq":%d}`, value, seq)
		for _, ws := range all {
			_ = ws.Write(context.Background(), websocket.MessageText, text) // one that has gone gets no more
		}
		_, _ = io.WriteString(w, "ok")
	})
	if *cert != "" {
		log.Fatal(http.ListenAndServeTLS(*addr, *cert, *key, nil))
	}
	log.Fatal(http.ListenAndServe(*addr, nil))
}
