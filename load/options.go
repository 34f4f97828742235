package load

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options describes the load. Templates may contain:
//
//   - {i}: the number of the subscriber
//   - {channel}: the number of the channel
//   - {room}: the room that POST /new made for the channel
//   - {token}: a token that is signed for the subscriber
//   - {payload}: the marker, filled up to Size
//   - {n}: the number of the event in the run, in nine digits; in a publish only
//   - {run}: a text that is new for each run; in a publish only
type Options struct {
	Target      string   // http://127.0.0.1:8080, or https
	PublishAt   string   // where to publish, such as another gateway of the cluster; "": at Target
	CA          string   // a file with the certificates to trust, in PEM; "": those of the system
	Insecure    bool     // trust any certificate
	Subscribe   string   // template of the path to subscribe at
	Method      string   // of a publish; "" is POST
	Publish     string   // template of the path to publish to
	Headers     []string // templates, of all requests
	Body        string   // template of one event; "" sends requests without a body
	ContentType string
	JWTSecret   string // signs {token}
	JWTSub      string // template of the patterns that a token may subscribe to, comma-separated

	HTTP2       int      // subscribers use HTTP/2, with this many streams a connection; 0: HTTP/1.1. Publishers use HTTP/1.1
	WebSocket   bool     // subscribers read WebSockets instead of event streams
	Say         []string // templates of the messages that each subscriber sends once its answer has begun
	Ready       string   // a subscriber is connected once this text has arrived; "": once the answer has begun
	Count       string   // each occurrence of this text counts as an event; "": markers are searched
	Subscribers int
	Channels    int // subscriber i is on channel i modulo Channels
	To          int // the number of channels that events go to, in turn; 0: all
	Stalled     int // the number of subscribers that read nothing until all events are published

	Events     int
	Publishers int
	Batch      int           // events in a request
	Rate       float64       // events a second; 0: as fast as the answers come
	Size       int           // bytes of a payload
	Resume     int           // the number of events to publish first; the subscribers resume after the first of them
	Read       int           // the number of events to publish first; the subscribers read them until the answers end
	Among      int           // with Read: the number of other events between them
	Hold       time.Duration // how long to wait, idle, once all are subscribed
	Wait       time.Duration // give up when nothing has arrived for this time

	PIDs     []int // the server's processes
	Progress func(string)
}

// Limits of one run.
const (
	maxSubscribers = 200_000
	maxEvents      = 50_000_000
	maxPublishers  = 1_000
	maxSize        = 60_000
	maxHold        = time.Hour
	maxStreams     = 250 // a server need not allow more than 100; net/http allows 250
)

func (o *Options) check() error {
	var faults []error
	between := func(name string, n, least, most int) {
		if n < least || n > most {
			faults = append(faults, fmt.Errorf("%s is %d; it must be %d to %d", name, n, least, most))
		}
	}
	between("--subscribers", o.Subscribers, 0, maxSubscribers)
	between("--channels", o.Channels, 1, maxSubscribers)
	between("--to", o.To, 0, o.Channels)
	between("--stalled", o.Stalled, 0, o.Subscribers)
	between("--events", o.Events, 0, maxEvents)
	between("--publishers", o.Publishers, 1, maxPublishers)
	between("--batch", o.Batch, 1, 1000)
	between("--size", o.Size, minSize, maxSize)
	between("--resume", o.Resume, 0, 100_000)
	between("--read", o.Read, 0, 100_000)
	between("--among", o.Among, 0, maxEvents)
	if o.Read > 0 && (o.Resume > 0 || o.Events > 0 || o.Stalled > 0 || o.Channels > 1) {
		faults = append(faults, errors.New("--read needs one channel and --events 0, without --resume and --stalled, because its answers end"))
	}
	between("--http2", o.HTTP2, 0, maxStreams)
	if o.HTTP2 > 0 && (o.WebSocket || !strings.HasPrefix(o.Target, "https:")) {
		faults = append(faults, errors.New("--http2 needs a server with https, and cannot be used with --websocket"))
	}
	if o.HTTP2 > 1 && o.Stalled > 0 {
		faults = append(faults, errors.New("--stalled needs a connection for each subscriber, so --http2 can be at most 1"))
	}
	if (o.CA != "" || o.Insecure) && !strings.HasPrefix(o.Target, "https:") {
		faults = append(faults, errors.New("--ca and --insecure need a server with https"))
	}
	if o.CA != "" && o.Insecure {
		faults = append(faults, errors.New("--ca and --insecure contradict each other: use one"))
	}
	if o.WebSocket && (o.Read > 0 || o.Resume > 0) {
		faults = append(faults, errors.New("--websocket cannot be used with --read or --resume"))
	}
	if len(o.Say) > 0 && !o.WebSocket {
		faults = append(faults, errors.New("--say needs --websocket"))
	}
	if o.Count != "" && (o.Events == 0 || o.Channels > 1 || o.Publishers > 1 || o.Stalled > 0 || o.Read > 0 || o.Resume > 0) {
		faults = append(faults, errors.New("--count needs --events, one channel and one publisher, without --stalled, --read and --resume, because the first occurrence counts as the first event"))
	}
	if o.Body == "" && o.Batch > 1 {
		faults = append(faults, errors.New("--batch needs a --body"))
	}
	if o.Among > 0 && o.Read == 0 {
		faults = append(faults, errors.New("--among needs --read"))
	}
	if o.Hold < 0 || o.Hold > maxHold {
		faults = append(faults, fmt.Errorf("--hold is %s; it must be 0 to %s", o.Hold, maxHold))
	}
	if o.Rate < 0 {
		faults = append(faults, errors.New("--rate is negative"))
	}
	return errors.Join(faults...)
}

// address returns the host and port of a target. It refuses an address that is not loopback.
func address(target string) (*net.TCPAddr, error) {
	u, err := url.Parse(target)
	ports := map[string]string{"http": "80", "https": "443"}
	if err != nil || ports[u.Scheme] == "" || u.Host == "" {
		return nil, fmt.Errorf("the target %q must be a URL such as http://127.0.0.1:8080 or https://localhost:8443", target)
	}
	port := cmp.Or(u.Port(), ports[u.Scheme])
	addr, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("finding the target: %w", err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("the target %s is not on this machine; only loopback addresses are allowed", addr)
	}
	return addr, nil
}

// fill puts values into a template. pairs has names and values in turn.
func fill(template string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(template)
}

// request returns the head of a request.
func (o *Options) request(method, path string, extra []string, i, channel int) (string, error) {
	number, on := strconv.Itoa(i), strconv.Itoa(channel)
	lines := append([]string{fmt.Sprintf("%s %s HTTP/1.1", method, path), "Host: localhost"}, extra...)
	lines = append(lines, o.Headers...)
	return o.filled(strings.Join(lines, "\r\n")+"\r\n\r\n", number, on)
}

// filled puts the values of a subscriber into a template.
func (o *Options) filled(text, number, channel string) (string, error) {
	token := ""
	if strings.Contains(text, "{token}") {
		var err error
		if token, err = o.token(number, channel); err != nil {
			return "", err
		}
	}
	return fill(text, "{i}", number, "{channel}", channel, "{token}", token), nil
}

// messages returns the frames that a subscriber sends once its answer has begun.
func (o *Options) messages(i, channel int) ([]byte, error) {
	var dst []byte
	for _, s := range o.Say {
		text, err := o.filled(s, strconv.Itoa(i), strconv.Itoa(channel))
		if err != nil {
			return nil, err
		}
		dst = appendFrame(dst, opText, []byte(text))
	}
	return dst, nil
}
