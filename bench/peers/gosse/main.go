// Command gosse is a server on tmaxmax/go-sse with its own provider, and a replayer of the last events.
package main

import (
	"cmp"
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
	joe := &sse.Joe{Replayer: greeter{nothing{}}}
	if *replay > 0 {
		r, err := sse.NewFiniteReplayer(*replay, true)
		if err != nil {
			log.Fatal(err)
		}
		joe.Replayer = greeter{r}
	}
	server := &sse.Server{
		Provider: joe,
		OnSession: func(_ http.ResponseWriter, r *http.Request) ([]string, bool) {
			return []string{channel(r)}, true
		},
	}
	http.Handle("GET /events", server)
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		m := &sse.Message{}
		m.AppendData(string(body))
		if err := server.Publish(m, channel(r)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}

func channel(r *http.Request) string { return cmp.Or(r.URL.Query().Get("channel"), "bench") }

// greeter sends the head, which go-sse would only send with the first event. Joe calls it in the loop that
// publishes, right before it takes the subscriber: what is published after a client has seen its head reaches it.
// A head sent before Joe has the subscriber would not promise that.
type greeter struct{ sse.Replayer }

func (g greeter) Replay(s sse.Subscription) error {
	if err := s.Client.Flush(); err != nil {
		return err
	}
	return g.Replayer.Replay(s)
}

// nothing is the replayer that Joe has if it is given none.
type nothing struct{}

func (nothing) Put(m *sse.Message, _ []string) (*sse.Message, error) { return m, nil }

func (nothing) Replay(sse.Subscription) error { return nil }
