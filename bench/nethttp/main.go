// Command nethttp is the floor for publishing: net/http reads a body, encoding/json decodes it, and the answer is
// the gateway's. Nothing is checked and nothing stored.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
)

type event struct {
	Event      string          `json:"event"`
	Collection string          `json:"collection"`
	Data       json.RawMessage `json:"data"`
}

type answer struct {
	Message string `json:"message"`
	ID      string `json:"id"`
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9003", "where to listen")
	flag.Parse()
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer{"OK", "1795219523000053"})
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
