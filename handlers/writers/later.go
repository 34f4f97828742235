package writers

import "net/http"

// Later is the answer to a request of HTTP/2. Its stream begins after all handlers have returned: what they have on the stack,
// and what was made for the request, would else stay in memory as long as the stream.
type Later struct {
	http.ResponseWriter
	stream *goroutineStream
}

// Unwrap is for http.ResponseController.
func (l *Later) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// Serve writes the stream, if the handlers have left one.
func (l *Later) Serve() {
	if l.stream != nil {
		l.stream.serve()
	}
}
