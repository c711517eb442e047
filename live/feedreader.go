package live

import (
	"context"
	"io"
	"slices"
)

// A FeedReader is a viewer's place in a feed. It is for one goroutine.
type FeedReader struct {
	feed    *Feed
	session *Session
	shard   int

	// The following are changed under feed.mu.
	joined bool
	pos    int64  // the next byte to give
	given  *Setup // what the viewer was given at its last entry

	// What is passed over since the viewer was lost, until it joins again.
	missing bool
	tooMany bool // bytes, rather than too long ago
}

// maxBuffers bounds what one Next gives, so that a viewer that is far behind is looked after in between.
const maxBuffers = 2

// Next returns the bytes to write next: shared slices that must not be changed, each of whole frames. It blocks until the
// next beat that has something new. At the end of the stream it returns io.EOF; if ctx is done, which should be the
// session's or one made of it, the reason. bufs is reused if it has room.
func (r *FeedReader) Next(ctx context.Context, bufs [][]byte) ([][]byte, error) {
	bufs = bufs[:0]
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		bufs, wake, err := r.take(bufs)
		if len(bufs) > 0 || err != nil {
			return bufs, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// Leave takes the viewer out of its feed.
func (r *FeedReader) Leave() {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.viewers[r]; !ok {
		return
	}
	delete(f.viewers, r)
	f.shards[r.shard].n--
	if len(f.viewers) == 0 {
		f.halt()
	}
}

func (r *FeedReader) take(bufs [][]byte) ([][]byte, <-chan struct{}, error) {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.lost() {
		r.joined = false
		r.missing, r.tooMany = true, f.tooMany(r.pos)
	}
	if !r.joined {
		header, ok := r.join()
		if !ok {
			return bufs, f.shards[r.shard].wake, f.eof()
		}
		if len(header) > 0 {
			bufs = append(bufs, header)
		}
	}
	bufs = f.slices(bufs, &r.pos)
	if len(bufs) == 0 {
		return bufs, f.shards[r.shard].wake, f.eof()
	}
	return bufs, nil, nil
}

// join places the reader at the newest entry and returns the header that it needs there. f.mu must be held.
func (r *FeedReader) join() (header []byte, ok bool) {
	e := r.feed.entry
	if !e.valid {
		return nil, false
	}
	if r.missing {
		r.session.counters.addSkip(e.at-r.pos, r.tooMany)
	}
	r.joined, r.missing = true, false
	r.feed.begun = true
	r.pos = e.at
	header = r.feed.mux.Header(e.setup, r.given, e.time)
	r.given = e.setup
	return header, true
}

// lost tells whether the reader is too far behind and can do better than to go on: begin anew at a newer entry, or wait
// for one. f.mu must be held.
func (r *FeedReader) lost() bool {
	f := r.feed
	return r.joined && r.pos < f.base && (!f.entry.valid || r.pos < f.entry.at)
}

// slices appends the bytes from *pos on, of up to maxBuffers blocks, and moves *pos behind them. f.mu must be held.
func (f *Feed) slices(bufs [][]byte, pos *int64) [][]byte {
	for i, n := f.find(*pos), 0; i < len(f.blocks) && n < maxBuffers; i, n = i+1, n+1 {
		b := f.blocks[i]
		if part := b.buf[*pos-b.at:]; len(part) > 0 {
			bufs = append(bufs, slices.Clip(part))
			*pos += int64(len(part))
		}
	}
	return bufs
}

// find returns the index of the block that holds the byte at pos. f.mu must be held.
func (f *Feed) find(pos int64) int {
	i := len(f.blocks) - 1
	for i > 0 && f.blocks[i].at > pos {
		i--
	}
	return max(i, 0)
}

// eof returns io.EOF if nothing more will come. f.mu must be held.
func (f *Feed) eof() error {
	if f.ended {
		return io.EOF
	}
	return nil
}
