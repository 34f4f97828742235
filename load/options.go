package load

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options say what load to make. {i} in a template is the number of the subscriber, {channel} that of the
// channel, {room} a room that is made for the channel by POST /new, {token} a token signed for the subscriber, {payload}
// the marker and what fills it up to Size, {n} the number of the event in the run, in nine digits.
type Options struct {
	Target      string   // http://127.0.0.1:8080
	Subscribe   string   // template of the path to subscribe at
	Method      string   // of a publish; "": POST
	Publish     string   // template of the path to publish to
	Headers     []string // templates, of all requests
	Body        string   // template of one event; "": requests without a body
	ContentType string
	JWTSecret   string // signs {token}
	JWTSub      string // template of the patterns a token may subscribe to, comma-separated

	WebSocket   bool     // subscribers read WebSockets, not event streams
	Say         []string // templates of messages that each sends as soon as it is open
	Ready       string   // a subscriber is there once this has arrived; "": once the answer has begun
	Count       string   // each of these that arrives is an event, since no payload does; "": payloads are looked for
	Subscribers int
	Channels    int // subscriber i is on channel i modulo this
	To          int // events go to so many of the channels in turn; 0: all
	Stalled     int // so many subscribers read nothing until all is published

	Events     int
	Publishers int
	Batch      int           // events in a request
	Rate       float64       // events a second; 0: as fast as the answers come
	Size       int           // bytes of a payload
	Resume     int           // publish so many first, and subscribe after the first of them
	Read       int           // publish so many first, and let the subscribers read them until the answers end
	Among      int           // with Read: so many others lie between them
	Hold       time.Duration // wait so long, idle, once all are subscribed
	Wait       time.Duration // give up when nothing has arrived for so long

	PIDs     []int // the server's processes
	Progress func(string)
}

// Bounds of one run.
const (
	mostSubscribers = 200_000
	mostEvents      = 50_000_000
	mostPublishers  = 1_000
	mostSize        = 60_000
	mostHold        = time.Hour
)

func (o *Options) check() error {
	var faults []error
	between := func(name string, n, least, most int) {
		if n < least || n > most {
			faults = append(faults, fmt.Errorf("%s is %d; it must be %d to %d", name, n, least, most))
		}
	}
	between("--subscribers", o.Subscribers, 0, mostSubscribers)
	between("--channels", o.Channels, 1, mostSubscribers)
	between("--to", o.To, 0, o.Channels)
	between("--stalled", o.Stalled, 0, o.Subscribers)
	between("--events", o.Events, 0, mostEvents)
	between("--publishers", o.Publishers, 1, mostPublishers)
	between("--batch", o.Batch, 1, 1000)
	between("--size", o.Size, leastSize, mostSize)
	between("--resume", o.Resume, 0, 100_000)
	between("--read", o.Read, 0, 100_000)
	between("--among", o.Among, 0, mostEvents)
	if o.Read > 0 && (o.Resume > 0 || o.Events > 0 || o.Stalled > 0 || o.Channels > 1) {
		faults = append(faults, errors.New("--read goes with one channel, --events 0, and neither --resume nor --stalled: its answers end"))
	}
	if o.WebSocket && (o.Read > 0 || o.Resume > 0) {
		faults = append(faults, errors.New("--websocket goes with neither --read nor --resume"))
	}
	if len(o.Say) > 0 && !o.WebSocket {
		faults = append(faults, errors.New("--say goes with --websocket"))
	}
	if o.Count != "" && (o.Events == 0 || o.Channels > 1 || o.Publishers > 1 || o.Stalled > 0 || o.Read > 0 || o.Resume > 0) {
		faults = append(faults, errors.New("--count goes with --events, one channel and one publisher, and neither --stalled, --read nor --resume: the first is of the first event"))
	}
	if o.Body == "" && o.Batch > 1 {
		faults = append(faults, errors.New("--batch goes with a --body"))
	}
	if o.Among > 0 && o.Read == 0 {
		faults = append(faults, errors.New("--among goes with --read"))
	}
	if o.Hold < 0 || o.Hold > mostHold {
		faults = append(faults, fmt.Errorf("--hold is %s; it must be 0 to %s", o.Hold, mostHold))
	}
	if o.Rate < 0 {
		faults = append(faults, errors.New("--rate is negative"))
	}
	return errors.Join(faults...)
}

// address is the target's host and port, which must be a loopback address.
func (o *Options) address() (*net.TCPAddr, error) {
	u, err := url.Parse(o.Target)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("the target %q is no address like http://127.0.0.1:8080", o.Target)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	addr, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("finding the target: %w", err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("the target %s is not on this machine; load goes to loopback addresses only", addr)
	}
	return addr, nil
}

// fill puts the values into a template: names and values in turn.
func fill(template string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(template)
}

// request is the head of a request.
func (o *Options) request(method, path string, extra []string, i, channel int) (string, error) {
	number, on := strconv.Itoa(i), strconv.Itoa(channel)
	lines := append([]string{fmt.Sprintf("%s %s HTTP/1.1", method, path), "Host: localhost"}, extra...)
	lines = append(lines, o.Headers...)
	return o.filled(strings.Join(lines, "\r\n")+"\r\n\r\n", number, on)
}

// filled is a template with what is known of a subscriber.
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

// said is what a subscriber says once it is open, in frames.
func (o *Options) said(i, channel int) ([]byte, error) {
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
