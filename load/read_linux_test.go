package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is a server that stores events, and answers a GET with all except fillers.
type shelf struct {
	lose int // of what is to be read, this one is not given

	mu    sync.Mutex
	names []string
	texts []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost {
		var events []struct{ Event, Data string }
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		for _, e := range events {
			s.names, s.texts = append(s.names, e.Event), append(s.texts, e.Data)
		}
		return
	}
	for i, n := 0, 0; i < len(s.names); i++ {
		if s.names[i] == "filler" {
			continue
		}
		if n++; n != s.lose {
			fmt.Fprintf(w, "data: %s\n\n", s.texts[i])
		}
	}
}

// The events to read are evenly distributed among others. All of them must come, and then the answers end.
func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		among, lose int
		want        Check
	}{
		"alone":        {0, 0, Check{Received: 60}},
		"among others": {20*fillBatch + 20*33, 0, Check{Received: 60}},
		"one is lost":  {40, 7, Check{Received: 57, Lost: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{lose: tt.lose}
			server := httptest.NewServer(s)
			defer server.Close()
			report, err := Run(context.Background(), Options{
				Target: server.URL, Subscribe: "/", Publish: "/", Body: `{"event":"one","data":"{payload}"}`, ContentType: "application/json",
				Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Size: 100, Read: 20, Among: tt.among, Wait: time.Second,
			})
			if report == nil {
				t.Fatal(err)
			}
			if report.Check != tt.want || (err == nil) != tt.want.OK() {
				t.Errorf("%+v %v, want %+v", report.Check, err, tt.want)
			}
			if got := strings.Count(strings.Join(s.names, " "), "filler"); got != tt.among || len(s.names) != tt.among+20 {
				t.Errorf("%d others among %d", got, len(s.names))
			}
			for i, at := 0, -1; i < len(s.names); i++ {
				if s.names[i] == "one" {
					if i-at-1 != tt.among/20 {
						t.Fatalf("%d others before the event at %d, want %d", i-at-1, i, tt.among/20)
					}
					at = i
				}
			}
		})
	}
}
