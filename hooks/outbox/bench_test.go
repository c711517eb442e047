package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// BenchmarkPut puts deliveries of the size of SRS's payloads, for a target that takes them at once.
func BenchmarkPut(b *testing.B) {
	for name, path := range map[string]string{"durable": file(b), "best effort": ""} {
		b.Run(name, func(b *testing.B) {
			o := open(b, outbox.Options{Path: path})
			o.SetTargets(map[string]outbox.Sender{"a": outbox.SenderFunc(func(context.Context, *outbox.Delivery) outbox.Result {
				return outbox.Result{Status: 200}
			})})
			body := make([]byte, 300)
			b.ReportAllocs()
			i := 0
			slow, took := 0, make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				i++
				begun := time.Now()
				err := o.Put(outbox.Delivery{Target: "a", Stream: fmt.Sprint(i % 50), Event: "on_stop", Body: body, End: true})
				slow += slowness(b, err)
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(slow), "slow")
			if err := o.Close(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkJournal begins and ends sessions, as each viewer does.
func BenchmarkJournal(b *testing.B) {
	o := open(b, outbox.Options{Path: file(b)})
	o.SetTargets(map[string]outbox.Sender{"a": outbox.SenderFunc(func(context.Context, *outbox.Delivery) outbox.Result {
		return outbox.Result{Status: 200}
	})})
	end := outbox.Delivery{Target: "a", Stream: "x", Event: "on_stop", Body: make([]byte, 300), End: true}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		id := fmt.Sprint(i)
		end.Client = id
		slowness(b, o.Begin(id, end))
		slowness(b, o.End(id, end))
	}
	if err := o.Close(b.Context()); err != nil {
		b.Error(err)
	}
}

// slowness returns 1 for what a disk can do to a benchmark, 0 for nil.
func slowness(b *testing.B, err error) int {
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, outbox.ErrSlow):
		b.Error(err)
	}
	return 1
}

// BenchmarkSteady puts 500 deliveries a second, and reports what share of a core they take.
func BenchmarkSteady(b *testing.B) {
	o := open(b, outbox.Options{Path: file(b)})
	o.SetTargets(map[string]outbox.Sender{"a": outbox.SenderFunc(func(context.Context, *outbox.Delivery) outbox.Result {
		return outbox.Result{Status: 200}
	})})
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	before, begun, n := cpu(b), time.Now(), 0
	for b.Loop() {
		<-tick.C
		n++
		slowness(b, o.Put(outbox.Delivery{Target: "a", Stream: fmt.Sprint(n % 50), Event: "on_stop", Body: make([]byte, 300), End: true}))
	}
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "events/s")
	b.ReportMetric((cpu(b)-before).Seconds()/time.Since(begun).Seconds()*100, "%core")
	if err := o.Close(b.Context()); err != nil {
		b.Error(err)
	}
}

// cpu returns the time that the process has computed.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
