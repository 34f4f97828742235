// Command r3labs is a server on r3labs/sse, as its README has it: streams made on demand, nothing replayed.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"

	"github.com/r3labs/sse/v2"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9001", "where to listen")
	flag.Parse()
	server := sse.New()
	server.AutoReplay = false
	server.AutoStream = true
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		query.Set("stream", query.Get("channel"))
		r.URL.RawQuery = query.Encode()
		// It sends its head with the first event; subscribers are to know at once that they are there.
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		server.ServeHTTP(w, r)
	})
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		server.Publish(r.URL.Query().Get("channel"), &sse.Event{Data: body})
		_, _ = io.WriteString(w, "ok")
	})
	// The head that was sent already is written again by r3labs, which net/http complains of.
	quiet := &http.Server{Addr: *addr, ErrorLog: log.New(io.Discard, "", 0)}
	log.Fatal(quiet.ListenAndServe())
}
