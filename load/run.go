package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A run is one run of the generator.
type run struct {
	config  Config
	film    *film
	in      ingest
	tallies []*tally
	places  []*place
	comers  atomic.Int64
	phase   atomic.Value // a string
	since   time.Time    // when everything began

	server, self *meter // server is nil if it is not known
	before       Usage  // of the server, when there were no viewers

	begun   moment  // when the measurement began
	seconds float64 // how long it took
}

// A moment is what was counted until then.
type moment struct {
	at           time.Time
	sent, frames int64
	of           map[*tally]counts
}

type counts struct{ frames, marks int64 }

// Run does what c says and reports on it. It ends when it is told to by Duration or Joins, when everybody has been turned
// away, or with ctx, which is no error: what was measured until then is reported. An error means that there is nothing to
// report.
func Run(ctx context.Context, c Config) (*Report, error) {
	r, err := newRun(ctx, c)
	if err != nil {
		return nil, err
	}
	r.since = time.Now()
	defer r.showProgress()()

	here := context.WithoutCancel(ctx) // everybody stays until the end was looked at
	onAir, stopPublishers := context.WithCancel(here)
	publishers := new(sync.WaitGroup)
	defer publishers.Wait()
	defer stopPublishers()
	coming := context.AfterFunc(ctx, stopPublishers)
	err = r.publish(onAir, publishers)
	coming()
	if err != nil {
		return nil, err
	}
	if r.server != nil {
		if r.before, err = r.server.read(); err != nil {
			return nil, fmt.Errorf("measuring the server: %w", err)
		}
	}
	watching, stopViewers := context.WithCancel(here)
	viewers := new(sync.WaitGroup)
	defer viewers.Wait() // before the publishers end
	defer stopViewers()
	gone := r.play(ctx, watching, viewers)
	r.settle(ctx, gone)
	r.begin()
	r.measure(ctx, gone)
	report := r.end()
	stopViewers()
	viewers.Wait()
	stopPublishers()
	publishers.Wait()
	r.complete(report)
	return report, nil
}

func newRun(ctx context.Context, c Config) (*run, error) {
	err := c.Complete()
	if err != nil {
		return nil, err
	}
	r := &run{config: c}
	r.phase.Store("publishers come")
	if c.Publish > 0 {
		if r.film, err = loadFilm(c.File, c.Bitrate); err != nil {
			return nil, err
		}
	}
	if pid := c.server(ctx); pid != 0 {
		if r.server, err = newMeter(pid); err != nil {
			return nil, err
		}
	}
	if r.self, err = newMeter(os.Getpid()); err != nil {
		return nil, err
	}
	r.seat()
	return r, nil
}

// seat makes the places: protocols and streams in turn, the stuck and those who do not look spread over all.
func (r *run) seat() {
	c := &r.config
	of := make(map[Protocol]*tally)
	for _, p := range c.Protocols {
		if of[p] == nil {
			of[p] = &tally{protocol: p}
			r.tallies = append(r.tallies, of[p])
		}
	}
	n := len(c.Protocols)
	for i := range c.Play {
		t := of[c.Protocols[i%n]]
		t.viewers++
		r.places = append(r.places, &place{
			config: c,
			tally:  t,
			stream: 1 + i/n%c.Streams,
			stuck:  spread(i, c.Stuck, c.Play),
			looks:  spread(i, c.Sample, c.Play),
		})
	}
}

// spread tells whether number i is one of n chosen evenly among all.
func spread(i, n, all int) bool { return (i+1)*n/all > i*n/all }

// publish lets the publishers come and waits until each is on air or refused. It is an error if none is on air.
func (r *run) publish(ctx context.Context, group *sync.WaitGroup) error {
	var begun sync.WaitGroup
	for i := range r.config.Publish {
		if !r.pace(ctx, i, r.since) {
			break
		}
		p := &publisher{url: r.config.address(RTMP, i+1), tls: r.config.TLS, film: r.film, in: &r.in, mark: mark{origin: rand.Uint32()}} //nolint:gosec // no secret
		begun.Add(1)
		decided := sync.OnceFunc(begun.Done)
		group.Go(func() {
			defer decided()
			if err := p.run(ctx, decided); ctx.Err() == nil && err != nil {
				r.in.register.add(1, err, faultPublish)
			}
		})
	}
	begun.Wait()
	if r.config.Publish > 0 && r.in.onAir.Load() == 0 && ctx.Err() == nil {
		for _, f := range r.in.register.list() {
			return fmt.Errorf("no publisher is on air: %s", f.First)
		}
	}
	return nil
}

// pace waits for the turn of number i of those who come since a time.
func (r *run) pace(ctx context.Context, i int, since time.Time) bool {
	due := since.Add(time.Duration(float64(i) / r.config.Ramp * float64(time.Second)))
	return rest(ctx, time.Until(due))
}

// play lets the viewers come, as long as ctx lasts, and stay as long as watching does. When all have gone, gone is closed.
func (r *run) play(ctx, watching context.Context, group *sync.WaitGroup) (gone <-chan struct{}) {
	r.phase.Store("viewers come")
	c := make(chan struct{})
	since := time.Now()
	var all sync.WaitGroup
	for i, p := range r.places {
		if !r.pace(ctx, i, since) {
			break
		}
		all.Add(1)
		group.Go(func() {
			defer all.Done()
			p.run(watching, r.more)
		})
	}
	if len(r.places) > 0 {
		group.Go(func() {
			all.Wait()
			close(c)
		})
	}
	return c
}

// more tells whether one more viewer is to come.
func (r *run) more() bool {
	return r.config.Joins == 0 || r.comers.Add(1) <= int64(r.config.Joins)
}

// settle waits until what the coming of the viewers has cost is over.
func (r *run) settle(ctx context.Context, gone <-chan struct{}) {
	r.phase.Store("settling")
	until(ctx, gone, r.config.Settle)
}

// until waits for a time, or until ctx is done or everybody has gone.
func until(ctx context.Context, gone <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	case <-ctx.Done():
	}
}

// begin begins the measurement.
func (r *run) begin() {
	r.phase.Store("measuring")
	r.begun = moment{at: time.Now(), sent: r.in.bytes.Load(), frames: r.in.frames.Load(), of: make(map[*tally]counts)}
	for _, t := range r.tallies {
		t.latency.reset()
		t.stalls.Store(0)
		r.begun.of[t] = counts{frames: t.frames.Load(), marks: t.marks.Load()}
	}
	r.in.late.reset()
	for _, p := range r.places {
		p.mark = p.bytes.Load()
	}
	_, _ = r.self.read() // what fails here fails in the end
	if r.server != nil {
		_, _ = r.server.read()
	}
}

// measure waits until the measurement is to end.
func (r *run) measure(ctx context.Context, gone <-chan struct{}) {
	if r.config.Duration > 0 && r.config.Joins == 0 {
		until(ctx, gone, r.config.Duration)
		return
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// end ends the measurement and reports on it.
func (r *run) end() *Report {
	r.seconds = max(time.Since(r.begun.at).Seconds(), 1e-3)
	report := &Report{Seconds: r.seconds, Publishers: r.publishers()}
	for _, t := range r.tallies {
		report.Viewers = append(report.Viewers, r.viewers(t))
	}
	report.Server = r.usage(report.Viewers)
	if u, err := r.self.read(); err == nil {
		report.Generator = u
	}
	return report
}

// showProgress tells the configuration's Progress how it goes, until stop is called.
func (r *run) showProgress() (stop func()) {
	if r.config.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	var server *meter // of its own: it measures other times
	if r.server != nil {
		server, _ = newMeter(int(r.server.process.Pid)) // one that has ended is not shown
	}
	go func() {
		defer close(done)
		for last := int64(0); rest(ctx, time.Second); {
			last = r.show(server, last)
		}
	}()
	return func() {
		cancel(errors.New("the run is over"))
		<-done
	}
}

// show shows one Progress and returns how many bytes have been received until then.
func (r *run) show(server *meter, last int64) int64 {
	phase, _ := r.phase.Load().(string)
	p := Progress{Phase: phase, Elapsed: time.Since(r.since), Publishers: int(r.in.onAir.Load()), Faults: int(r.in.register.count())}
	var bytes int64
	for _, t := range r.tallies {
		p.Viewers += int(t.active.Load())
		p.Joins += int(t.joins.Load())
		p.Stalls += int(t.stalls.Load())
		p.Faults += int(t.register.count())
		bytes += t.bytes.Load()
	}
	p.Bitrate = float64(bytes-last) * 8
	if server != nil {
		if u, err := server.read(); err == nil {
			p.Server = u
		}
	}
	r.config.Progress(p)
	return bytes
}
