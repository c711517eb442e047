package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A wal is a write-ahead log: it takes changes as they come, by one write each, until the database holds them. Its file is a row of records: the
// length of the payload and its CRC-32C, four bytes each, and the payload (see appendBatch). A record that the death of
// the process has cut short ends the file.
type wal struct {
	file *os.File
	size int64  // where the next record goes
	last uint64 // the number of the newest batch in it
}

const recordHeader = 8

// maxRecord bounds what is believed of a length in a damaged file.
const maxRecord = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openWAL opens or makes a file and gives replay the payloads of its sound records, in order.
func openWAL(path string, replay func(payload []byte) error) (*wal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the outbox's log: %w", err)
	}
	l := &wal{file: file}
	all, err := io.ReadAll(file)
	for err == nil {
		payload, rest := cutRecord(all)
		if payload == nil {
			return l, nil
		}
		l.size += int64(len(all) - len(rest))
		all = rest
		err = replay(payload)
	}
	_ = file.Close()
	return nil, fmt.Errorf("reading the outbox's log %s: %w", path, err)
}

// cutRecord returns the payload of the first record, nil if there is no sound one, and what follows it.
func cutRecord(b []byte) (payload, rest []byte) {
	if len(b) < recordHeader {
		return nil, nil
	}
	size, sum := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	b = b[recordHeader:]
	if size == 0 || size > maxRecord || int(size) > len(b) || crc32.Checksum(b[:size], castagnoli) != sum {
		return nil, nil
	}
	return b[:size], b[size:]
}

// beginRecord makes room for a record's header at the end of b, endRecord fills it in for the payload after it.
func beginRecord(b []byte) []byte { return append(b, make([]byte, recordHeader)...) }

func endRecord(b []byte, start int) {
	payload := b[start+recordHeader:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
}

// write appends records, the newest of which holds the batch last. After an error the next write takes the same place.
func (l *wal) write(records []byte, last uint64) error {
	if _, err := l.file.WriteAt(records, l.size); err != nil {
		return err
	}
	l.size += int64(len(records))
	l.last = last
	return nil
}

// clear empties the file.
func (l *wal) clear() error {
	if l.size == 0 {
		return nil
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	l.size = 0
	return nil
}

// A batch is what is written in one step, and found again as a whole or not at all. Its payload is its number, then for
// each change the bucket (one byte), the key and the value, each after its length; the length of a value is one more than
// it has, 0 stands for none.

// appendBatch appends the payload of a batch.
func appendBatch(b []byte, number uint64, changes []change) []byte {
	b = binary.AppendUvarint(b, number)
	for _, c := range changes {
		b = append(b, c.bucket)
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
		if c.value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.value))+1)
		b = append(b, c.value...)
	}
	return b
}

var errBatch = errors.New("a batch cannot be read")

// parseBatch reads what appendBatch has written. The changes refer to b.
func parseBatch(b []byte) (number uint64, changes []change, err error) {
	r := batchReader{b: b}
	number = r.uvarint()
	for len(r.b) > 0 && !r.bad {
		var c change
		c.bucket = r.bytes(1)[0]
		c.key = string(r.bytes(r.uvarint()))
		if n := r.uvarint(); n > 0 {
			c.value = r.bytes(n - 1)
		}
		changes = append(changes, c)
	}
	if r.bad {
		return 0, nil, errBatch
	}
	return number, changes, nil
}

// A batchReader cuts a payload into its parts. After the first that is missing it gives zeros.
type batchReader struct {
	b   []byte
	bad bool
}

func (r *batchReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *batchReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, 1))
	}
	part := r.b[:n:n]
	r.b = r.b[n:]
	return part
}
