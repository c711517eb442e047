package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// A Config says what a run does. Its zero fields have the defaults that Complete gives them.
type Config struct {
	// URL is what viewers over HTTP ask for: http(s)://host[:port]/app/stream[?query], with or without the ending of a
	// format. "{n}" stands for the number of the stream; without it the number follows the name if there are several. An
	// rtmp(s) URL serves for viewers and publishers by RTMP alone.
	URL string
	// RTMP is where publishers and viewers by RTMP go: rtmp(s)://host[:port]/app/stream[?query]. Default: port 1935 of
	// URL's host, with its path and no query.
	RTMP string
	// Publish is how many streams are published, each by a connection of its own. Default 0.
	Publish int
	// Play is how many viewers there are at once, spread over the streams. Default 0.
	Play int
	// Streams is over how many streams the viewers are spread. Default: Publish, at least 1.
	Streams int
	// Protocols are those of the viewers, who take them in turn: one that is named twice has twice as many. Default: what URL
	// ends like.
	Protocols []Protocol
	// HTTP is the version of HTTP of the viewers: 1, 2 or 3; the latter two want https. Default 1.
	HTTP int
	// TLS is for https and rtmps. Default: the authorities of the system.
	TLS *tls.Config

	// File is an FLV file that publishers send. Default: a film of the package's own.
	File string
	// Bitrate is what the package's own film is filled up to, in bits per second. Default 2 Mbit/s.
	Bitrate int

	// Ramp is how many publishers, and then viewers, come per second. Default 200.
	Ramp float64
	// Settle is how long to wait after the last has come before the measurement begins. Default 2 s; negative is not at all.
	Settle time.Duration
	// Duration is how long to measure. Default: until the context ends.
	Duration time.Duration
	// Stall is how long nothing may come until it is counted as a stall; for HLS, how long a player would stand still.
	// Default 1 s.
	Stall time.Duration

	// Stay lets each viewer leave so long after its first picture, give or take a half, for another to come. Who does not look
	// counts from the first bytes. Default 0: they stay.
	Stay time.Duration
	// Joins ends the run when so many viewers have come and gone, in place of Duration. It wants Stay.
	Joins int
	// Stuck is how many of the viewers read nothing but the beginning. They are not for HLS.
	Stuck int
	// Sample is how many of the viewers look at what they receive; the others only count it. 0 means all.
	Sample int

	// PID is the process of the server whose use of CPU and memory is measured. Default: the one that listens on the port
	// of URL, if that is on this machine.
	PID int
	// Progress, if set, is called about once a second, by one goroutine.
	Progress func(Progress)
}

// A Progress is how a run goes.
type Progress struct {
	Phase      string // "publishers come", "viewers come", "settling" or "measuring"
	Elapsed    time.Duration
	Publishers int // on air
	Viewers    int // that receive
	Joins      int // so far
	Bitrate    float64
	Stalls     int
	Faults     int
	Server     Usage // since the last Progress
}

// Complete puts defaults in place of zeros. An error says what cannot be.
func (c *Config) Complete() error {
	if c.Publish < 0 || c.Play < 0 || c.Stuck < 0 || c.Joins < 0 || c.Sample < 0 || c.Streams < 0 {
		return errors.New("numbers must not be negative")
	}
	if c.Publish+c.Play == 0 {
		return errors.New("there is nothing to do: say how many to publish or play")
	}
	def(&c.Streams, max(c.Publish, 1))
	def(&c.HTTP, 1)
	def(&c.Bitrate, 2_000_000)
	def(&c.Ramp, 200)
	def(&c.Settle, 2*time.Second)
	def(&c.Stall, time.Second)
	def(&c.Sample, c.Play)
	if err := c.resolve(); err != nil {
		return err
	}
	return c.check()
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// resolve fills in the protocols and the other URL from the one that is given.
func (c *Config) resolve() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("the URL: %w", err)
	}
	switch {
	case c.URL == "":
		return errors.New("a URL is missing, such as http://localhost:8080/live/load")
	case u.Scheme == "http" || u.Scheme == "https":
	case u.Scheme == "rtmp" || u.Scheme == "rtmps":
		def(&c.RTMP, c.URL)
	default:
		return fmt.Errorf("%q is no http, https, rtmp or rtmps URL", u.Redacted())
	}
	if stem(u.Path) == "" || stem(u.Path) == "/" || u.Host == "" {
		return fmt.Errorf("%q names no stream: it is host/app/stream", u.Redacted())
	}
	if len(c.Protocols) == 0 {
		c.Protocols = []Protocol{protocolOf(u)}
	}
	def(&c.RTMP, ingestURL(u))
	return nil
}

// check looks for what contradicts itself.
func (c *Config) check() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("the URL: %w", err)
	}
	overHTTP := u.Scheme == "http" || u.Scheme == "https"
	hls := slices.ContainsFunc(c.Protocols, Protocol.segmented)
	switch {
	case c.Play > 0 && !overHTTP && slices.ContainsFunc(c.Protocols, func(p Protocol) bool { return p != RTMP }):
		return errors.New("viewers over HTTP need an http or https URL")
	case c.HTTP < 1 || c.HTTP > 3:
		return fmt.Errorf("there is no HTTP/%d", c.HTTP)
	case c.HTTP > 1 && overHTTP && u.Scheme != "https":
		return fmt.Errorf("HTTP/%d needs an https URL", c.HTTP)
	case c.Stuck > c.Play:
		return errors.New("more viewers are stuck than there are")
	case c.Stuck > 0 && (hls || c.Stay > 0):
		return errors.New("stuck viewers are neither for HLS nor for viewers who leave")
	case c.Joins > 0 && c.Stay <= 0:
		return errors.New("a number of joins wants viewers who leave")
	case c.Ramp < 0 || c.Duration < 0 || c.Stay < 0 || c.Stall < 0:
		return errors.New("times must not be negative")
	}
	return nil
}
