// Command r3labs is a server on r3labs/sse, as its README has it: streams made on demand, nothing replayed.
package main

import (
	"cmp"
	"flag"
	"io"
	"log"
	"net/http"
	"net/url"

	"github.com/r3labs/sse/v2"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9001", "where to listen")
	flag.Parse()
	// BufferSize stays as New has it, 1,024 events a stream: publishers wait beyond that, and nothing is dropped.
	server := sse.New()
	server.AutoReplay = false
	server.AutoStream = true
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		// It sends its head once the stream has the subscriber. To send one here would be too early: what is
		// published as soon as a client sees its head could come before the client, and be lost.
		r.URL.RawQuery = "stream=" + url.QueryEscape(channel(r))
		server.ServeHTTP(w, r)
	})
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		server.Publish(channel(r), &sse.Event{Data: body})
		_, _ = io.WriteString(w, "ok")
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}

func channel(r *http.Request) string { return cmp.Or(r.URL.Query().Get("channel"), "bench") }
