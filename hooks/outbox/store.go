package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// commitEvery is how often the database is brought up to date, and with that what a power failure may cost.
	commitEvery = time.Second
	// commitAbove brings it up to date sooner: so many bytes in the log.
	commitAbove = 4 << 20
	// logLimit is what the log may grow to while the database takes nothing, as when the disk is full.
	logLimit = 256 << 20
	// writePatience is how long a caller waits for the operating system to take a write to the log. It takes microseconds,
	// unless it lets nobody write because the disk cannot keep up.
	writePatience = 100 * time.Millisecond
)

// A cell is a place in the store.
type cell struct {
	bucket byte
	key    string
}

// A change puts a value into a cell, or takes it out if it is nil.
type change struct {
	cell
	value []byte
	fresh bool // the cell was never in use before
}

// A content is what the database has yet to take for a cell.
type content struct {
	value []byte
	fresh bool // the database does not have the cell
}

// A store keeps cells over the death of the process. A change is written to a log in one system call, after which the
// operating system has it; once a second the database takes all changes in one transaction, and waits for the disk. What
// came and went in between it never sees. There are two logs, so that one can be written while the other, whose changes
// the database has just taken, is emptied.
type store struct {
	db    *bbolt.DB
	path  string
	alert func(what string, err error)

	mu     sync.Mutex
	dirty  map[cell]content // what the database has not yet
	number uint64           // of the newest batch
	next   *writing         // what is to be written to the log
	closed bool

	work   chan struct{} // there is something to write
	commit chan struct{} // the database is to be brought up to date
	stop   chan struct{} // closed by close
	ended  sync.WaitGroup
	broken bool // the database has panicked, and may hold its locks for ever

	files  sync.Mutex // held while a log is written or emptied
	logs   [2]*wal
	active int
}

// A writing is a number of batches that go to the log in one system call.
type writing struct {
	records []byte
	last    uint64
	done    chan struct{} // closed when the operating system has them
	err     error
}

func newWriting() *writing { return &writing{done: make(chan struct{})} }

// openStore opens a store. Alert is told of what goes wrong later; aside is where a damaged database was moved to.
func openStore(path string, alert func(string, error)) (s *store, aside string, err error) {
	db, aside, err := openDatabase(path)
	if err != nil {
		return nil, aside, err
	}
	s = &store{
		db: db, path: path, alert: alert,
		dirty: make(map[cell]content), next: newWriting(),
		work: make(chan struct{}, 1), commit: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		s.closeFiles()
		return nil, aside, err
	}
	if s.db, err = compact(s.db); err != nil {
		if s.db == nil {
			s.closeFiles()
			return nil, aside, fmt.Errorf("opening the outbox: %w", err)
		}
		alert("the outbox's database was not made smaller", err)
	}
	s.ended.Go(s.write)
	s.ended.Go(s.commitAll)
	return s, aside, nil
}

// recover brings what the logs hold into the database and empties them.
func (s *store) recover() error {
	if err := s.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket([]byte{bucketMeta}).Get([]byte(appliedKey)); len(v) == 8 {
			s.number = binary.BigEndian.Uint64(v)
		}
		return nil
	}); err != nil {
		return err
	}
	found := make(map[uint64][]change)
	for i := range s.logs {
		var err error
		s.logs[i], err = openWAL(fmt.Sprintf("%s.log%d", s.path, i), func(payload []byte) error {
			number, changes, err := parseBatch(payload)
			if err == nil && number > s.number {
				found[number] = changes
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, number := range slices.Sorted(maps.Keys(found)) {
		for _, c := range found[number] {
			merge(s.dirty, c.cell, content{value: c.value})
		}
		s.number = number
	}
	if err := apply(s.db, s.dirty, s.number); err != nil {
		return fmt.Errorf("bringing the outbox up to date: %w", err)
	}
	clear(s.dirty)
	return errors.Join(s.logs[0].clear(), s.logs[1].clear())
}

// merge notes what a cell holds now.
func merge(dirty map[cell]content, at cell, now content) {
	old, known := dirty[at]
	if known {
		now.fresh = old.fresh
	}
	if now.value == nil && now.fresh && known {
		delete(dirty, at)
		return
	}
	dirty[at] = now
}

// load gives each the cells of a bucket, in the order of their keys. It is called before the first put.
func (s *store) load(bucket byte, each func(key, value []byte) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return tx.Bucket([]byte{bucket}).ForEach(each) })
}

// put takes changes as one batch, all or none. It returns at once; await waits for the operating system to have them.
func (s *store) put(changes ...change) *writing {
	s.mu.Lock()
	w := s.next
	if s.closed {
		s.mu.Unlock()
		return &writing{done: closedChan, err: ErrClosed}
	}
	s.number++
	start := len(w.records)
	w.records = appendBatch(beginRecord(w.records), s.number, changes)
	endRecord(w.records, start)
	w.last = s.number
	for _, c := range changes {
		merge(s.dirty, c.cell, content{value: c.value, fresh: c.fresh})
	}
	s.mu.Unlock()
	signal(s.work)
	return w
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// signal wakes who listens on c, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// await waits until w was written, or for writePatience.
func (w *writing) await() error {
	select {
	case <-w.done:
		return w.err
	default:
	}
	timer := time.NewTimer(writePatience)
	defer timer.Stop()
	select {
	case <-w.done:
		return w.err
	case <-timer.C:
		return ErrSlow
	}
}

// write writes to the log until the store is closed.
func (s *store) write() {
	for {
		select {
		case <-s.work:
			s.writeNow()
		case <-s.stop:
			s.writeNow()
			return
		}
	}
}

func (s *store) writeNow() {
	s.mu.Lock()
	w := s.next
	s.next = newWriting()
	s.mu.Unlock()
	if len(w.records) == 0 {
		return
	}
	w.err = s.writeLog(w)
	close(w.done)
	if w.err != nil {
		s.alert("the outbox's log was not written", w.err)
	}
	signal(s.commit)
}

func (s *store) writeLog(w *writing) error {
	s.files.Lock()
	defer s.files.Unlock()
	if s.logs[0].size+s.logs[1].size+int64(len(w.records)) > logLimit {
		return fmt.Errorf("the log holds %d MiB that the database has not taken", logLimit>>20)
	}
	return s.logs[s.active].write(w.records, w.last)
}

// close writes all that was put to the database, and waits for the disk.
func (s *store) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.ended.Wait()
	err := s.commitNow()
	if err == nil {
		err = errors.Join(s.logs[0].clear(), s.logs[1].clear())
	}
	s.closeFiles()
	return err
}

func (s *store) closeFiles() {
	for _, l := range s.logs {
		if l != nil {
			_ = l.file.Close()
		}
	}
	if s.db != nil && !s.broken {
		_ = s.db.Close()
	}
}
