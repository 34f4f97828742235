package main

import "slices"

var ownKinds = own()

// one is the gateway as it is measured for a kind of connection.
func one(name, over string) *system {
	at := slices.IndexFunc(ownKinds, func(k kind) bool { return k.name == name && k.over == over })
	return ownKinds[at].system
}

func perConnection(r *report) float64 { return r.Connect.RSSEach }

func perConnect(r *report) float64 { return r.Connect.CPUEach }

// transports are the rows about TLS, HTTP/2 and idle WebSockets, each beside a bare loop over the same.
var transports = []row{
	{"500 streams over TLS, 20 events/s: CPU a delivery", busily, nil,
		[]*system{one("stream", "tls"), floorTLS}, "µs", perDelivery, goal{to: floorTLS, limit: 1}},
	{"2,000 idle streams over TLS: RSS each", idly, nil,
		[]*system{one("stream", "tls"), floorTLS}, "B", perConnection, goal{limit: 20 << 10}},
	{"2,000 connects over TLS: CPU each", idly, nil,
		[]*system{one("stream", "tls"), floorTLS}, "µs", perConnect, goal{to: floorTLS, limit: 1.03}},
	{"500 streams over HTTP/2, one a connection, 20 events/s: CPU a delivery", busily, nil,
		[]*system{one("stream", "http2, 1 a connection"), floorHTTP2}, "µs", perDelivery, goal{to: floorHTTP2, limit: 1.1}},
	{"2,000 idle streams over HTTP/2, one a connection: RSS each", idly, nil,
		[]*system{one("stream", "http2, 1 a connection"), floorHTTP2}, "B", perConnection, goal{to: floorHTTP2, limit: 1.1}},
	{"2,000 idle streams over HTTP/2, 100 a connection: RSS each", idly, nil,
		[]*system{one("stream", "http2, 100 a connection"), floorHTTP2Shared}, "B", perConnection, goal{limit: 16 << 10}},
	{"2,000 idle WebSockets of a room: RSS each", idly, nil,
		[]*system{one("room_socket", "clear"), floorSocket, floorGobwas, floorLibrary}, "B", perConnection, goal{limit: 4 << 10}},
	{"500 WebSockets of a room over TLS, 20 pushes/s: CPU a delivery", busily, nil,
		[]*system{one("room_socket", "tls"), floorGobwasTLS, floorLibraryTLS}, "µs", perDelivery, goal{to: floorGobwasTLS, limit: 1.25}},
	{"2,000 idle WebSockets of Directus: RSS each", idly, nil,
		[]*system{one("directus_socket", "clear"), floorSocket, floorGobwas, floorLibrary}, "B", perConnection, goal{limit: 5 << 10}},
	{"500 WebSockets of Directus, 20 items/s: CPU a delivery", busily, nil,
		[]*system{one("directus_socket", "clear"), floorSocket, floorGobwas, floorLibrary}, "µs", perDelivery, goal{to: floorSocket, limit: 1.35}},
}
