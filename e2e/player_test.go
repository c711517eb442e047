package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
)

// A player follows a live playlist as browsers do, and keeps what it has played.
type player struct {
	name    string
	client  *http.Client
	version int
	list    *url.URL // of the media playlist
	tape             // the segments
	done    chan struct{}

	mu     sync.Mutex
	next   int // the number of the segment to come
	names  map[int]string
	seams  int // discontinuities seen before a segment
	passed int // the discontinuity sequence number
	played time.Duration
	clock  time.Time // program date-time of the newest segment
	err    error     // why it has ended
}

// tune fetches an entry playlist and plays until the test ends.
func (s *server) tune(version int, entry string) *player {
	s.t.Helper()
	p := &player{
		name:    fmt.Sprintf("%s over HTTP/%d", entry, version),
		client:  s.browser(version),
		version: version,
		done:    make(chan struct{}),
		names:   make(map[int]string),
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	if err := p.enter(ctx, entry); err != nil {
		s.t.Fatal(err)
	}
	go p.run(ctx)
	s.t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

// enter reads the multivariant playlist and learns where the media playlist is.
func (p *player) enter(ctx context.Context, entry string) error {
	body, err := fetch(ctx, p.client, p.version, entry)
	if err != nil {
		return err
	}
	var m playlist.Multivariant
	if err := m.Unmarshal(body); err != nil {
		return fmt.Errorf("%s: %w\n%s", entry, err, body)
	}
	if len(m.Variants) == 0 || !isRelative(m.Variants[0].URI) {
		return fmt.Errorf("%s leads nowhere, or not relatively:\n%s", entry, body)
	}
	base, err := url.Parse(entry)
	if err != nil {
		return err
	}
	p.list, err = base.Parse(m.Variants[0].URI)
	return err
}

// run looks for new segments until ctx is done or something is wrong.
func (p *player) run(ctx context.Context) {
	defer close(p.done)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := p.refresh(ctx); err != nil {
			p.mu.Lock()
			p.err = err
			p.mu.Unlock()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads the playlist and gets what is new in it.
func (p *player) refresh(ctx context.Context) error {
	body, err := fetch(ctx, p.client, p.version, p.list.String())
	if err != nil {
		return err
	}
	var m playlist.Media
	if err := m.Unmarshal(body); err != nil {
		return fmt.Errorf("%w\n%s", err, body)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.names) > 0 && (m.MediaSequence > p.next || m.MediaSequence+len(m.Segments) < p.next) {
		return fmt.Errorf("segment %d should be next, and the list has %d to %d", p.next, m.MediaSequence, m.MediaSequence+len(m.Segments)-1)
	}
	if d := m.DiscontinuitySequence; d == nil || *d < p.passed {
		return fmt.Errorf("the discontinuity sequence number was %d\n%s", p.passed, body)
	}
	p.passed = *m.DiscontinuitySequence
	for i, seg := range m.Segments {
		if err := p.check(&m, m.MediaSequence+i, seg); err != nil {
			return fmt.Errorf("%w\n%s", err, body)
		}
		if len(p.names) == 0 || m.MediaSequence+i == p.next {
			if err := p.play(ctx, &m, m.MediaSequence+i, seg); err != nil {
				return err
			}
		}
	}
	return nil
}

// check looks at what a playlist says of a segment.
func (p *player) check(m *playlist.Media, number int, seg *playlist.MediaSegment) error {
	switch old, seen := p.names[number]; {
	case seen && old != seg.URI:
		return fmt.Errorf("segment %d was %s and is %s", number, old, seg.URI)
	case !isRelative(seg.URI):
		return fmt.Errorf("segment %d has an absolute URL", number)
	case seg.Duration.Round(time.Second) > time.Duration(m.TargetDuration)*time.Second:
		return fmt.Errorf("segment %d is longer than the target duration", number)
	case seg.DateTime == nil:
		return fmt.Errorf("segment %d has no program date-time", number)
	}
	return nil
}

// play gets a segment.
func (p *player) play(ctx context.Context, m *playlist.Media, number int, seg *playlist.MediaSegment) error {
	if m.Map != nil && (len(p.names) == 0 || seg.Discontinuity) {
		if err := p.get(ctx, m.Map.URI); err != nil {
			return err
		}
	}
	if err := p.get(ctx, seg.URI); err != nil {
		return err
	}
	if len(p.names) > 0 && seg.Discontinuity {
		p.seams++
	}
	if seg.DateTime.Before(p.clock) {
		return fmt.Errorf("segment %d is of %s, before %s", number, seg.DateTime, p.clock)
	}
	p.names[number], p.next, p.clock = seg.URI, number+1, *seg.DateTime
	p.played += seg.Duration
	return nil
}

func (p *player) get(ctx context.Context, uri string) error {
	u, err := p.list.Parse(uri)
	if err != nil {
		return err
	}
	body, err := fetch(ctx, p.client, p.version, u.String())
	if err != nil {
		return err
	}
	_, err = p.Write(body)
	return err
}

// running returns an error if the player has met something wrong.
func (p *player) running() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil && !errors.Is(p.err, context.Canceled) {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}

// length returns how much was played.
func (p *player) length() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.played
}

// position returns the number of the segment to come and how many discontinuities there were.
func (p *player) position() (next, seams int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, p.seams
}

// start returns the lowest number of a segment that was played.
func (p *player) start() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next - len(p.names)
}

// discontinuities returns the newest discontinuity sequence number.
func (p *player) discontinuities() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}
