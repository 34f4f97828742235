package backend

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSent is the most bytes of one question, without our own headers.
const maxSent = 16 << 10

// Question is a request that the application decides about. Only the headers of Options.Forward are read, and nothing of
// the request is kept.
type Question struct {
	Header http.Header
	From   string // the client's address
	Method string
	Path   string // escaped, without the query
	Host   string
	Proto  string // http or https
}

// Key stands for all that is sent of a question, or for its headers alone.
type Key = [sha256.Size]byte

// text appends all that is sent of a question, so that different questions have different texts. headers is the length of
// the part with the headers.
func (b *Backend) text(dst []byte, q *Question) (text []byte, headers int) {
	for _, name := range b.o.Forward {
		values := q.Header[name]
		dst = binary.AppendUvarint(dst, uint64(len(values)))
		for _, v := range values {
			dst = appendText(dst, v)
		}
	}
	headers = len(dst)
	for _, v := range [...]string{q.From, q.Method, q.Path, q.Host, q.Proto} {
		dst = appendText(dst, v)
	}
	return dst, headers
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Forwards reports whether a header is sent to the application.
func (b *Backend) Forwards(name string) bool {
	for _, f := range b.o.Forward {
		if f == name {
			return true
		}
	}
	return false
}

// Carries reports whether a request has any header that is sent to the application.
func (b *Backend) Carries(h http.Header) bool {
	for _, name := range b.o.Forward {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// kept is a question that outlives its request.
type kept struct {
	Question
	session Key
	bytes   int64
}

// keep copies what is sent of a question: the texts of a request are parts of larger ones.
func (b *Backend) keep(q *Question, text []byte, headers int) *kept {
	k := &kept{session: sha256.Sum256(text[:headers]), bytes: int64(len(text)), Question: Question{
		Header: http.Header{}, From: strings.Clone(q.From), Method: strings.Clone(q.Method), Path: strings.Clone(q.Path),
		Host: strings.Clone(q.Host), Proto: q.Proto,
	}}
	for _, name := range b.o.Forward {
		for _, v := range q.Header[name] {
			k.Header[name] = append(k.Header[name], strings.Clone(v))
		}
	}
	return k
}

// Signature is the header by which the application knows that a question is the gateway's.
const Signature = "Sluice-Signature"

// sign returns the value of the header Signature.
func sign(secret string, at time.Time, q *Question) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", seconds, q.Method, q.Path, q.From) // a hash never fails
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// request makes the request of a question. Its own headers have the names of Traefik's ForwardAuth.
func (b *Backend) request(ctx context.Context, q *Question, at time.Time) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.o.URL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "sluice")
	for name, values := range q.Header {
		r.Header[name] = values
	}
	for name, value := range map[string]string{
		"Accept": "application/json", "Accept-Encoding": "identity",
		"X-Forwarded-For": q.From, "X-Forwarded-Method": q.Method, "X-Forwarded-Uri": q.Path, "X-Forwarded-Host": q.Host, "X-Forwarded-Proto": q.Proto,
	} {
		r.Header.Set(name, value)
	}
	if b.o.Secret != "" {
		r.Header.Set(Signature, sign(b.o.Secret, at, q))
	}
	return r, nil
}
