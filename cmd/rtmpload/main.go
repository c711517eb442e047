// Command rtmpload puts a load on a streaming server and checks what comes out of it. The package load does the work.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/caddy-rtmp/caddy-rtmp/load"
)

// The statuses of the process.
const (
	statusWrong = 1 // something was wrong with what was received, or there was nothing
	statusUsage = 2 // the options make no sense
)

const usage = `rtmpload publishes streams to a server, plays them, checks what comes and measures.

  rtmpload -publish 1 -play 1000 -url http://localhost:8080/live/load -duration 30s
  rtmpload -publish 4 -play 200 -proto flv,ts,hls -http 2 -insecure -url https://localhost:8443/live/load -duration 30s
  rtmpload -play 500 -url https://live.example.com/live/test.flv          until Ctrl-C, of a stream that is there
  rtmpload -publish 200 -url rtmp://localhost/live/load -duration 30s     ingest alone
  rtmpload -publish 1 -play 100 -stay 1s -joins 10000 -url …              viewers who come and go

It ends with status 1 if something was wrong: see "faults" of what it prints. -json prints it as JSON.

`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// An options is what the command line says beside the configuration.
type options struct {
	config       load.Config
	protocols    string
	bitrate      string
	ca           string
	insecure     bool
	json, silent bool
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		say(stderr, "rtmpload: %v; rtmpload -help lists the options\n", err)
		return statusUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	report, err := runLoad(ctx, o, stderr)
	if err != nil {
		say(stderr, "rtmpload: %v\n%s", err, advice(err.Error()))
		return statusWrong
	}
	if err := write(stdout, report, o.json); err != nil {
		say(stderr, "rtmpload: writing the report: %v\n", err)
		return statusWrong
	}
	if !report.OK {
		for _, f := range report.Faults() {
			say(stderr, "%s", advice(f.First))
		}
		return statusWrong
	}
	return 0
}

// advice says what to do about a fault that has more to do with the options than with the server. It may be empty.
func advice(fault string) string {
	for _, a := range []struct{ sign, text string }{
		{"certificate", "-ca names a file of authorities to believe, and -insecure believes every certificate."},
		{"too many open files", "Each viewer takes a descriptor: ulimit -n gives more."},
		{"cannot assign requested address", "This machine has no more ports of its own: let viewers -stay longer, or use several machines."},
		{"HTTP status 404", "Viewers wait for a stream that is not there: -rtmp is where -publish sends it to."},
		{"HTTP status 401", "The server wants a login or a key: put it into the query of -url."},
		{"HTTP status 403", "The server lets not everybody play: see its log for the reason."},
	} {
		if strings.Contains(fault, a.sign) {
			return a.text + "\n"
		}
	}
	return ""
}

// say tells the user something on a stream that has nobody else to complain to.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func runLoad(ctx context.Context, o *options, stderr io.Writer) (*load.Report, error) {
	if !o.silent {
		show, end := progress(stderr)
		o.config.Progress = show
		defer end()
	}
	return load.Run(ctx, o.config)
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	c := &o.config
	f := flag.NewFlagSet("rtmpload", flag.ContinueOnError)
	f.SetOutput(io.Discard) // whoever calls says what is wrong, without all options
	f.Usage = func() {}
	f.StringVar(&c.URL, "url", "", "what to play: http(s)://host[:port]/app/stream, or rtmp(s)://…; {n} is the number of the stream")
	f.StringVar(&c.RTMP, "rtmp", "", "where to publish, and to play by RTMP (default: port 1935 of -url's host, the same path)")
	f.IntVar(&c.Publish, "publish", 0, "how many streams to publish; of several, each is called by the name and its number")
	f.IntVar(&c.Play, "play", 0, "how many viewers there are at once")
	f.IntVar(&c.Streams, "streams", 0, "over how many streams the viewers are spread (default: those that are published)")
	f.StringVar(&o.protocols, "proto", "", "the viewers' protocols, in turn: flv, ts, rtmp, hls (…m3u8), ll-hls (…/index.m3u8) (default: as -url ends, or flv)")
	f.IntVar(&c.HTTP, "http", 1, "the viewers' version of HTTP: 1, 2 or 3")
	f.BoolVar(&o.insecure, "insecure", false, "believe every certificate")
	f.StringVar(&o.ca, "ca", "", "a file with certificates of authorities (PEM) to believe besides the system's")
	f.StringVar(&c.File, "file", "", "an FLV file to publish, round and round (default: a film of its own)")
	f.StringVar(&o.bitrate, "bitrate", "2M", "what the film of its own is filled up to, in bits per second; k and M are understood")
	f.Float64Var(&c.Ramp, "ramp", 200, "how many publishers, and then viewers, come per second")
	f.DurationVar(&c.Settle, "settle", 0, "how long to wait until the measurement begins (default 2s)")
	f.DurationVar(&c.Duration, "duration", 0, "how long to measure (default: until Ctrl-C)")
	f.DurationVar(&c.Stall, "stall", 0, "what counts as a stall when nothing comes for so long (default 1s)")
	f.DurationVar(&c.Stay, "stay", 0, "let each viewer leave so long after its first picture, give or take a half, for another to come")
	f.IntVar(&c.Joins, "joins", 0, "with -stay: end when so many viewers have come and gone")
	f.IntVar(&c.Stuck, "stuck", 0, "how many of the viewers read nothing but the beginning")
	f.IntVar(&c.Sample, "sample", 0, "how many of the viewers look at what they receive (default: all)")
	f.IntVar(&c.PID, "pid", 0, "the server's process, to measure (default: the one that listens on -url's port)")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.BoolVar(&o.silent, "silent", false, "show no progress")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			say(stderr, usage)
			f.SetOutput(stderr)
			f.PrintDefaults()
		}
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", f.Arg(0))
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	return o, nil
}

// complete reads the options that are no plain numbers, and looks whether all of them go together.
func (o *options) complete() (err error) {
	c := &o.config
	if c.Protocols, err = load.ParseProtocols(o.protocols); err != nil {
		return err
	}
	if c.Bitrate, err = bits(o.bitrate); err != nil {
		return err
	}
	if c.TLS, err = trust(o.ca, o.insecure); err != nil {
		return err
	}
	return c.Complete()
}

// bits reads a number with k or M behind it.
func bits(text string) (int, error) {
	number, factor := text, 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6} {
		if s, ok := strings.CutSuffix(text, suffix); ok {
			number, factor = s, f
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n <= 0 || n*factor > 1e9 {
		return 0, fmt.Errorf("%q is no bit rate", text)
	}
	return int(n * factor), nil
}

// trust returns what is needed for TLS.
func trust(ca string, insecure bool) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: insecure} //nolint:gosec // only if the user says so
	if ca == "" {
		return config, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", ca)
	}
	return config, nil
}

// progress shows a line that is written anew on a terminal, and one of ten elsewhere. end ends that line.
func progress(w io.Writer) (show func(load.Progress), end func()) {
	if f, ok := w.(*os.File); ok && terminal(f) {
		return func(p load.Progress) { say(w, "\r\x1b[K%s", p) }, func() { say(w, "\n") }
	}
	n := 0
	return func(p load.Progress) {
		if n++; n%10 == 0 {
			say(w, "%s\n", p)
		}
	}, func() {}
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func write(w io.Writer, report *load.Report, asJSON bool) error {
	if !asJSON {
		return report.WriteText(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
