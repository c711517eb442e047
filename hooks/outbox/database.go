package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockPatience is how long the file of another process's outbox is waited for.
const lockPatience = 3 * time.Second

// compactAbove is the size of a file that is worth being copied to a smaller one, if most of it is free.
const compactAbove = 16 << 20

// The buckets. Pending and dead deliveries have a sequence number for a key, sessions their id.
const (
	bucketPending byte = 'p'
	bucketDead    byte = 'd'
	bucketSession byte = 's'
	bucketMeta    byte = 'm'
)

var buckets = []byte{bucketPending, bucketDead, bucketSession, bucketMeta}

// appliedKey is the key of the newest batch that the database holds.
const appliedKey = "applied"

// openDatabase opens or makes a database that can be read. One that cannot is moved aside, and aside is its new name.
func openDatabase(path string) (db *bbolt.DB, aside string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", fmt.Errorf("making the folder of the outbox: %w", err)
	}
	db, err = tryDatabase(path)
	if err == nil || !errors.Is(err, errCorrupt) {
		return db, "", err
	}
	aside = path + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000Z")
	if renameErr := os.Rename(path, aside); renameErr != nil {
		return nil, "", fmt.Errorf("%w; moving it aside: %w", err, renameErr)
	}
	db, err = tryDatabase(path)
	return db, aside, err
}

// errCorrupt is the error for a file that is no sound database.
var errCorrupt = errors.New("the outbox's database is damaged")

// tryDatabase opens a database and reads all of it. A damaged file makes bbolt panic or read beyond the end, so both are
// caught.
func tryDatabase(path string) (db *bbolt.DB, err error) {
	var file *os.File // bbolt's, which it would not close in a panic, and with it the lock
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errCorrupt, p)
		}
		if err != nil && file != nil {
			_ = file.Close()
			db = nil
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockPatience,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening the outbox %s: another process has it open. Two servers of one user share Caddy's "+
			"data folder: stop the other one, or give each a folder of its own by the environment variable XDG_DATA_HOME", path)
	case isCorrupt(err):
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	case err != nil:
		return nil, fmt.Errorf("opening the outbox: %w", err)
	}
	if err := check(db); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return db, nil
}

func isCorrupt(err error) bool {
	return errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrVersionMismatch) ||
		errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrInvalidMapping)
}

// check makes the buckets and looks at every page.
func check(db *bbolt.DB) error {
	err := db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("it has %d bytes of %d", info.Size(), tx.Size())
		}
		// Read before the check, whose goroutine would take the process along when it reads beyond the end.
		if err := tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(_, _ []byte) error { return nil })
		}); err != nil {
			return err
		}
		var found error
		for err := range tx.Check() {
			found = errors.Join(found, err)
		}
		return found
	})
	if err != nil {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists([]byte{name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// compact copies a large database that is mostly free pages to a small one, and returns that.
func compact(db *bbolt.DB) (*bbolt.DB, error) {
	path, used, total := db.Path(), int64(0), int64(0)
	err := db.View(func(tx *bbolt.Tx) error {
		total = tx.Size()
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				used += int64(len(k) + len(v))
				return nil
			})
		})
	})
	if err != nil || total < compactAbove || used > total/4 {
		return db, err
	}
	small := path + ".compact"
	if err := os.Remove(small); err != nil && !errors.Is(err, os.ErrNotExist) {
		return db, err
	}
	copied, err := bbolt.Open(small, 0o600, &bbolt.Options{Timeout: lockPatience, NoStatistics: true})
	if err != nil {
		return db, err
	}
	err = errors.Join(bbolt.Compact(copied, db, 1<<20), copied.Close())
	if err != nil {
		return db, errors.Join(err, os.Remove(small))
	}
	// The lock is let go for a moment. Who takes it then has the old file, or finds the new one.
	if err := errors.Join(db.Close(), os.Rename(small, path)); err != nil {
		return nil, err
	}
	return tryDatabase(path)
}

// apply commits changes to the database, which then holds all batches up to a number. It waits for the disk.
func apply(db *bbolt.DB, changes map[cell]content, applied uint64) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for at, c := range changes {
			var err error
			if b := tx.Bucket([]byte{at.bucket}); c.value == nil {
				err = b.Delete([]byte(at.key))
			} else {
				err = b.Put([]byte(at.key), c.value)
			}
			if err != nil {
				return err
			}
		}
		return tx.Bucket([]byte{bucketMeta}).Put([]byte(appliedKey), binary.BigEndian.AppendUint64(nil, applied))
	})
}
