// Command streams is the floor for event streams of net/http: a goroutine for each, which gets bytes that are ready, with
// no deadline and nothing stored. With a certificate it speaks TLS, and HTTP/2 to clients that want it.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9006", "where to listen")
	cert, key := flag.String("cert", "", "certificate, for TLS"), flag.String("key", "", "its key")
	flag.Parse()
	var mu sync.Mutex
	all := map[chan []byte]bool{}
	id := 0
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		events := make(chan []byte, 64)
		mu.Lock()
		all[events] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			delete(all, events)
			mu.Unlock()
		}()
		w.Header().Set("Content-Type", "text/event-stream")
		flush := w.(http.Flusher).Flush
		flush()
		for {
			select {
			case b := <-events:
				if _, err := w.Write(b); err != nil {
					return
				}
				flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		id++
		text := fmt.Appendf(nil, "id: %d\ndata: %s\n\n", id, value)
		for events := range all {
			events <- text
		}
		_, _ = io.WriteString(w, "ok")
	})
	if *cert != "" {
		log.Fatal(http.ListenAndServeTLS(*addr, *cert, *key, nil))
	}
	log.Fatal(http.ListenAndServe(*addr, nil))
}
