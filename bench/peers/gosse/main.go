// Command gosse is a server on tmaxmax/go-sse with its own provider, and a replayer of the last events.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"

	"github.com/tmaxmax/go-sse"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9002", "where to listen")
	replay := flag.Int("replay", 0, "events kept for those who come back")
	flag.Parse()
	joe := &sse.Joe{}
	if *replay > 0 {
		r, err := sse.NewFiniteReplayer(*replay, true)
		if err != nil {
			log.Fatal(err)
		}
		joe.Replayer = r
	}
	server := &sse.Server{
		Provider: joe,
		OnSession: func(_ http.ResponseWriter, r *http.Request) ([]string, bool) {
			return []string{r.URL.Query().Get("channel")}, true
		},
	}
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
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
		m := &sse.Message{}
		m.AppendData(string(body))
		if err := server.Publish(m, r.URL.Query().Get("channel")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
