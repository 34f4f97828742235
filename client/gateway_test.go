package client_test

import (
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"sluice/config"
	"sluice/gateway"
)

const exampleKey = "0123456789abcdef-example"

// startGateway starts a gateway for an example, which has no testing.T. It keeps its log in memory.
func startGateway() (address string, stop func()) {
	cfg, err := config.Load([]string{
		"ADDR=127.0.0.1:0", "DATA_DIR=memory", "RETRY_CONNECT=1s",
		`API_KEYS=[{"name":"example","key":"` + exampleKey + `","sub":["*"],"pub":["*"]}]`,
	}, "")
	if err != nil {
		log.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{Version: "test"})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		log.Fatal(err)
	}
	server := &httptest.Server{Listener: g.Guard(listener), Config: g.Server()}
	server.Start()
	return server.URL, func() {
		http.DefaultClient.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		g.Close()
	}
}
