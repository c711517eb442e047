package load

import (
	"errors"
	"maps"
	"sync"
)

// The kinds of faults.
const (
	faultConnect    = "connect"    // no connection, no TLS, no answer
	faultRefused    = "refused"    // another answer than a stream
	faultEnded      = "ended"      // the stream ended, though nobody wanted it to
	faultFormat     = "format"     // bytes that are not what they should be
	faultTime       = "time"       // time stamps that go back
	faultMissing    = "missing"    // pictures that did not come, or came twice
	faultContinuity = "continuity" // TS packets that did not come
	faultList       = "list"       // a playlist that contradicts itself or an earlier one
	faultPublish    = "publish"    // a publisher that was refused or cut
	faultEmpty      = "empty"      // a viewer to whom no sound or picture came
)

// A fault is something that should not have happened, with its kind.
type fault struct {
	kind string
	err  error
}

func (f *fault) Error() string { return f.kind + ": " + f.err.Error() }

func (f *fault) Unwrap() error { return f.err }

// kindOf returns the kind of an error.
func kindOf(err error, otherwise string) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.kind
	}
	return otherwise
}

// Faults are all faults of one kind.
type Faults struct {
	Count int64  `json:"count"`
	First string `json:"first"` // what the first of them was
}

// A register counts faults by kind.
type register struct {
	mu     sync.Mutex
	faults map[string]Faults
}

// add counts n faults of the kind that err is of; what is no fault yet is of the kind otherwise.
func (r *register) add(n int64, err error, otherwise string) {
	kind := kindOf(err, otherwise)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = make(map[string]Faults)
	}
	f := r.faults[kind]
	if f.Count += n; f.First == "" {
		f.First = err.Error()
	}
	r.faults[kind] = f
}

// list returns a copy.
func (r *register) list() map[string]Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := maps.Clone(r.faults)
	if list == nil {
		list = make(map[string]Faults) // JSON has an object, not null
	}
	return list
}

// count returns how many faults there are of all kinds.
func (r *register) count() (n int64) {
	for _, f := range r.list() {
		n += f.Count
	}
	return n
}
