package outbox

import (
	"fmt"
	"runtime/debug"
	"time"
)

// commitAll brings the database up to date, a second after the first change or when the log has grown large, until the
// store is closed.
func (s *store) commitAll() {
	for {
		select {
		case <-s.commit:
		case <-s.stop:
			return
		}
		for {
			if !s.pause() {
				return
			}
			err := s.commitNow()
			if err == nil {
				break
			}
			s.alert("the outbox's database was not written; what it lacks is in its log", err)
		}
	}
}

// pause waits for commitEvery or until the log is large. It returns false when the store is closed.
func (s *store) pause() bool {
	timer := time.NewTimer(commitEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-s.commit:
			if s.large() {
				return true
			}
		case <-s.stop:
			return false
		}
	}
}

func (s *store) large() bool {
	s.files.Lock()
	defer s.files.Unlock()
	return s.logs[s.active].size > commitAbove
}

// commitNow brings the database up to date and empties the logs of what it has taken.
func (s *store) commitNow() error {
	s.files.Lock()
	s.active = 1 - s.active
	s.files.Unlock()

	s.mu.Lock()
	changes, number := s.dirty, s.number
	s.dirty = make(map[cell]content)
	s.mu.Unlock()

	if len(changes) > 0 {
		if err := s.apply(changes, number); err != nil {
			s.takeBack(changes)
			return err
		}
	}
	return s.emptyLog(number)
}

// apply is the function of that name, but returns an error where bbolt panics over pages that make no sense.
func (s *store) apply(changes map[cell]content, number uint64) (err error) {
	if s.broken {
		return errCorrupt
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s.broken = true
			err = fmt.Errorf("%w: %v", errCorrupt, p)
		}
	}()
	return apply(s.db, changes, number)
}

// takeBack makes changes dirty again.
func (s *store) takeBack(changes map[cell]content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newer := s.dirty
	s.dirty = changes
	for at, c := range newer {
		merge(s.dirty, at, c)
	}
}

// emptyLog empties the log that is not written to, if the database has all that it says. The other one may go on to say
// what the database has already, which does no harm.
func (s *store) emptyLog(number uint64) error {
	s.files.Lock()
	l := s.logs[1-s.active]
	taken := l.last <= number && l.size > 0
	s.files.Unlock()
	if !taken {
		return nil
	}
	// Without the lock: it may take a while, and nobody writes to this log until commitNow is called again.
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("emptying the log: %w", err)
	}
	s.files.Lock()
	l.size = 0
	s.files.Unlock()
	return nil
}
