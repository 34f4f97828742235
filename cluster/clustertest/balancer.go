//go:build unix

package clustertest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// startBalancer starts a proxy that sends each request to the next gateway, also those of one connection, and returns its
// address. If nothing listens there, it tries the others: nothing was sent then, so no publish happens twice.
func startBalancer(t testing.TB, nodes []*Node) string {
	t.Helper()
	var turn atomic.Uint64
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		next := turn.Add(1)
		var failed error
		for i := range uint64(len(nodes)) {
			to, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, nodes[(next+i)%uint64(len(nodes))].address)
			if err == nil {
				return to, nil
			}
			failed = errors.Join(failed, err)
		}
		return nil, failed
	}
	proxy := &httputil.ReverseProxy{
		// Each request has a connection of its own, so dial chooses its gateway.
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "gateway"})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		FlushInterval: -1, // frames and lines pass at once
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	front := httptest.NewUnstartedServer(proxy)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // a test that kills gateways breaks connections
	front.Start()
	t.Cleanup(func() {
		front.CloseClientConnections() // streams would hold up Close
		front.Close()
	})
	return front.URL
}
