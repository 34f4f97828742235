// Command gobwas is the floor for WebSockets that have left net/http: a connection and a small goroutine that reads it.
// Frames that are ready are sent to all in turn, with no deadline, no order to keep and nothing stored.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9007", "where to listen")
	cert, key := flag.String("cert", "", "certificate, for TLS"), flag.String("key", "", "its key")
	flag.Parse()
	var mu sync.Mutex
	all := map[net.Conn]bool{}
	seq := 0
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // it has answered
		}
		mu.Lock()
		all[conn] = true
		mu.Unlock()
		go func() { // ends with the connection
			var b [64]byte
			for {
				if _, err := conn.Read(b[:]); err != nil {
					break
				}
			}
			mu.Lock()
			delete(all, conn)
			mu.Unlock()
			_ = conn.Close() // it is gone
		}()
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
		frame, err := ws.CompileFrame(ws.NewTextFrame(fmt.Appendf(nil, `{"type":"push","key":"bench","value":"%s","seq":%d}`, value, seq)))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for conn := range all {
			_, _ = conn.Write(frame) // one that has gone gets no more
		}
		_, _ = io.WriteString(w, "ok")
	})
	if *cert != "" {
		log.Fatal(http.ListenAndServeTLS(*addr, *cert, *key, nil))
	}
	log.Fatal(http.ListenAndServe(*addr, nil))
}
