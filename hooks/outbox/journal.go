package outbox

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// An openSession is what the store keeps of a session: what is to be told if the process dies before its end.
type openSession struct {
	Seq  uint64     `json:"seq"`
	Ends []Delivery `json:"ends"`
}

// Begin notes that a session is open, or is about to be: if the process dies before End, the given deliveries are queued
// when the outbox is opened next, as if they were created then, with the life (Expires less Created) that they have here.
// A session that is open already gets other ends by it. Begin before a gate is asked, End when it has refused. Begin
// waits and fails as Put does.
func (o *Outbox) Begin(session string, ends ...Delivery) error {
	if o.store == nil {
		return nil
	}
	ends = slices.Clone(ends)
	now := time.Now()
	for i := range ends {
		ends[i].complete(now)
	}
	o.mu.Lock()
	if o.closing {
		o.mu.Unlock()
		return ErrClosed
	}
	o.seq++
	s := openSession{o.seq, ends}
	if old, ok := o.sessions[session]; ok {
		s.Seq = old.Seq
	}
	o.sessions[session] = s
	w := o.store.put(change{cell: cell{bucketSession, session}, value: encode(s)})
	o.mu.Unlock()
	return o.await(w, nil)
}

// End notes that a session is over and queues deliveries, in one step: what Begin was given is forgotten. Without
// deliveries nobody is told. End waits and fails as Put does.
func (o *Outbox) End(session string, ds ...Delivery) error {
	o.mu.Lock()
	var changes []change
	if _, ok := o.sessions[session]; ok && !o.closing {
		delete(o.sessions, session)
		changes = []change{{cell: cell{bucketSession, session}}}
	}
	w, err := o.put(changes, ds)
	o.mu.Unlock()
	return o.await(w, err)
}

// load reads the store of a process that has ended, and queues the ends of the sessions that it left open. What cannot be
// read is passed over: bbolt has no checksums for what it holds.
func (o *Outbox) load() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.store.load(bucketPending, func(key, value []byte) error {
		e := &entry{seq: o.loadedSeq(key)}
		if o.readable(key, value, &e.Delivery) && o.pending[e.ID] == nil {
			o.enqueue(e)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := o.store.load(bucketDead, func(key, value []byte) error {
		d := &deadLetter{seq: o.loadedSeq(key)}
		if o.readable(key, value, d) {
			o.dead.add(d)
		}
		return nil
	}); err != nil {
		return err
	}
	return o.endLost()
}

// readable reads a value of the store.
func (o *Outbox) readable(key, value []byte, to any) bool {
	err := json.Unmarshal(value, to)
	if err != nil {
		o.storeAlert("the outbox holds what cannot be read", fmt.Errorf("%q: %w", key, err))
	}
	return err == nil
}

func (o *Outbox) loadedSeq(key []byte) uint64 {
	seq := binary.BigEndian.Uint64(key)
	o.seq = max(o.seq, seq)
	return seq
}

// endLost queues the ends of sessions that the store has open. o.mu must be held.
func (o *Outbox) endLost() error {
	var lost []openSession
	var changes []change
	if err := o.store.load(bucketSession, func(key, value []byte) error {
		var s openSession
		if o.readable(key, value, &s) {
			lost = append(lost, s)
			o.seq = max(o.seq, s.Seq)
		}
		changes = append(changes, change{cell: cell{bucketSession, string(key)}})
		return nil
	}); err != nil || len(lost) == 0 {
		return err
	}
	slices.SortFunc(lost, func(a, b openSession) int { return cmp.Compare(a.Seq, b.Seq) })
	now := time.Now()
	var ends []Delivery
	for _, s := range lost {
		for _, d := range s.Ends {
			d.Expires, d.Created = now.Add(d.Expires.Sub(d.Created)), now
			ends = append(ends, d)
		}
	}
	o.totals.Recovered = uint64(len(lost))
	o.logger().Warn("sessions had no end when the server did: their ends are told now", "sessions", len(lost))
	w, err := o.put(changes, ends)
	return o.await(w, err)
}

func seqCell(bucket byte, seq uint64) cell {
	return cell{bucket, string(binary.BigEndian.AppendUint64(nil, seq))}
}
