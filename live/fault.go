package live

import (
	"errors"
	"io"
	"sync"
	"time"
)

// A Fault is the last thing that went wrong with the publishing of a name: why its publisher was ended or has broken off,
// what could not be read of it, or why another one was refused meanwhile.
type Fault struct {
	Time    time.Time
	Session string // the publisher's id
	Err     error
}

// maxFaults bounds for how many names a hub remembers a fault. The oldest is forgotten.
const maxFaults = 1000

// faults are the last ones of each name.
type faults struct {
	mu    sync.Mutex
	byKey map[Key]Fault
	order []Key // the names, oldest first by their first fault
}

// note takes down what went wrong with a publisher. That one has left as it should is nothing of that kind.
func (l *faults) note(ses *Session, err error) {
	if err == nil || errors.Is(err, io.EOF) || ses.Action != ActionPublish {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey == nil {
		l.byKey = make(map[Key]Fault)
	}
	if _, known := l.byKey[ses.Key]; !known {
		if len(l.order) == maxFaults {
			delete(l.byKey, l.order[0])
			l.order = append(l.order[:0], l.order[1:]...)
		}
		l.order = append(l.order, ses.Key)
	}
	l.byKey[ses.Key] = Fault{Time: time.Now(), Session: ses.ID, Err: err}
}

// of returns the last fault of a name, nil if there is none.
func (l *faults) of(k Key) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.byKey[k]; ok {
		return &f
	}
	return nil
}
