package cli_test

import (
	"context"
	"testing"
	"time"

	"sluice/load"
)

// The load generator goes on through nginx, which ends a connection after 1,000 requests, and loses no event.
func TestBenchThroughNginx(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	for name, servers := range map[string]string{"default settings": plain, "deploy/nginx.conf": deployed(t)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			report, err := load.Run(ctx, load.Options{
				Target: nginx(t, servers, s.url).url, Subscribe: "/realtime?channels=bench-{channel}", Publish: "/realtime",
				Body: `{"event":"bench-{channel}","data":"{payload}"}`, ContentType: "application/json", Headers: []string{"x-apikey: " + testKey},
				Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Events: 2500, Size: 100, Wait: 20 * time.Second,
			})
			if err != nil || report.Check != (load.Check{Received: 7500}) {
				t.Errorf("%+v %v", report, err)
			}
		})
	}
}
