package outbox_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// BenchmarkBacklog fills an outbox with what a target that is gone leaves behind, opens it again, and delivers it.
func BenchmarkBacklog(b *testing.B) {
	for b.Loop() {
		path := file(b)
		o := open(b, outbox.Options{Path: path})
		begun := time.Now()
		for i := range outbox.DefaultMaxDeliveries {
			d := outbox.Delivery{Target: "a", Stream: fmt.Sprint(i % 1000), Event: "on_stop", Body: make([]byte, 300), End: true}
			slowness(b, o.Put(d))
		}
		b.ReportMetric(time.Since(begun).Seconds(), "put-s")
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
		begun = time.Now()
		finish(b, o)
		b.ReportMetric(time.Since(begun).Seconds(), "close-s")
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "file-MiB")
		begun = time.Now()
		o = open(b, outbox.Options{Path: path})
		b.ReportMetric(time.Since(begun).Seconds(), "open-s")
		begun = time.Now()
		o.SetTargets(map[string]outbox.Sender{"a": outbox.SenderFunc(func(context.Context, *outbox.Delivery) outbox.Result {
			return outbox.Result{Status: 200}
		})})
		if err := o.Close(b.Context()); err != nil {
			b.Error(err)
		}
		b.ReportMetric(time.Since(begun).Seconds(), "deliver-s")
	}
}
