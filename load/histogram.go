package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts times in classes, each about 3 % wide, from a microsecond on. Any number of goroutines may add to it.
type histogram struct {
	classes [classCount]atomic.Int64
	longest atomic.Int64 // in microseconds
}

// Classes: the first classSteps are a microsecond each, then each power of two has so many.
const (
	classBits  = 5
	classSteps = 1 << classBits
	classCount = classSteps * (41 - classBits) // up to 2^40 µs, some twelve days
)

func class(us int64) int {
	if us < classSteps {
		return int(us)
	}
	shift := bits.Len64(uint64(us)) - classBits - 1
	return min(classSteps*shift+int(us>>shift), classCount-1)
}

// middle returns the time in the middle of a class, in microseconds.
func middle(class int) float64 {
	if class < classSteps {
		return float64(class)
	}
	shift := class/classSteps - 1
	return (float64(class-classSteps*shift) + 0.5) * float64(int64(1)<<shift)
}

func (h *histogram) add(d time.Duration) {
	us := max(d.Microseconds(), 0)
	h.classes[class(us)].Add(1)
	for {
		longest := h.longest.Load()
		if us <= longest || h.longest.CompareAndSwap(longest, us) {
			return
		}
	}
}

// reset forgets everything. What is added meanwhile may be forgotten too.
func (h *histogram) reset() {
	for i := range h.classes {
		h.classes[i].Store(0)
	}
	h.longest.Store(0)
}

// Times describes many times, in milliseconds.
type Times struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// times returns what was added.
func (h *histogram) times() Times {
	var t Times
	for i := range h.classes {
		t.Count += h.classes[i].Load()
	}
	longest := float64(h.longest.Load())
	at := func(share float64) float64 { return min(h.quantile(t.Count, share), longest) / 1000 }
	t.P50, t.P90, t.P99, t.Max = at(0.5), at(0.9), at(0.99), longest/1000
	return t
}

// quantile returns the time that a share of count times does not exceed, in microseconds.
func (h *histogram) quantile(count int64, share float64) float64 {
	rank := int64(share*float64(count-1)) + 1
	for i := range h.classes {
		if rank -= h.classes[i].Load(); rank <= 0 && count > 0 {
			return middle(i)
		}
	}
	return 0
}
