package rtmpapp_test

import (
	"math"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// An audience is a number of viewers on sockets, and what they have been given together.
type audience struct {
	got  atomic.Int64
	want atomic.Int64
	full chan struct{} // receives when got reaches want
}

// never is what an audience cannot be given.
const never = math.MaxInt64

// settle waits until nothing more comes.
func (a *audience) settle() {
	for last := int64(-1); last != a.got.Load(); {
		last = a.got.Load()
		time.Sleep(200 * time.Millisecond)
	}
}

func (a *audience) watch(conn net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if want := a.want.Load(); a.got.Add(int64(n)) >= want && a.want.CompareAndSwap(want, never) {
			a.full <- struct{}{}
		}
		if err != nil {
			return
		}
	}
}

// BenchmarkPlay writes one batch of a second's eighth to viewers on real sockets; each beat is one writev per viewer. The
// allocations per viewer and batch are what a further viewer costs the collector: about nothing.
func BenchmarkPlay(b *testing.B) {
	for _, viewers := range []int{1, 10, 100} {
		b.Run(strconv.Itoa(viewers), func(b *testing.B) { benchmarkPlay(b, viewers) })
	}
}

func benchmarkPlay(b *testing.B, viewers int) {
	hub := new(live.Hub)
	hub.Activate(&live.Policy{Rules: func(live.Key) (live.Rules, error) {
		r := live.DefaultRules()
		r.Latency = time.Millisecond
		return r, nil
	}})
	server := &rtmpapp.Server{Hub: hub}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	pub := livetest.Publish(b, hub, livetest.Key)
	defer func() {
		ln.Close()
		pub.Close(nil)
		_ = hub.Close(b.Context())
		_ = server.Close(b.Context())
	}()
	a := &audience{full: make(chan struct{}, 1)}
	a.want.Store(never)
	for range viewers {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		if err := wire.Connect(conn); err != nil {
			b.Fatal(err)
		}
		_, _ = conn.Write(chunks(connectTo("live"), playing("demo")))
		go a.watch(conn)
	}
	for len(hub.Snapshot().Sessions) < viewers+1 {
		runtime.Gosched()
	}
	livetest.Write(b, pub, livetest.Configs()...)
	a.settle() // they have their answers

	body := append([]byte{0x17, 1, 0, 0, 0}, make([]byte, 10_000)...)
	var before, after runtime.MemStats
	batch := func(n int) {
		a.want.Store(a.got.Load() + int64(viewers)*3*int64(12+len(body)))
		for i := range 3 {
			f, err := live.ParseTag(live.KindVideo, uint32(40*(3*n+i)), body)
			if err != nil {
				b.Fatal(err)
			}
			livetest.Write(b, pub, f)
		}
		<-a.full
	}
	// The first one brings configurations too.
	f, err := live.ParseTag(live.KindVideo, 0, body)
	if err != nil {
		b.Fatal(err)
	}
	livetest.Write(b, pub, f)
	a.settle()

	runtime.ReadMemStats(&before)
	n := 0
	for b.Loop() {
		n++
		batch(n)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n*viewers), "allocs/viewer/batch")
	b.SetBytes(int64(viewers) * 3 * int64(12+len(body)))
}
