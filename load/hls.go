package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A hlsPlayer follows a playlist as players do: from three segments before its end on, or from the newest independent part
// if the server blocks reloads, which is Low-Latency HLS. Of several variants it plays the first.
type hlsPlayer struct {
	watch *watch
	web   *web
	stall time.Duration

	url  *url.URL  // of the media playlist
	list *playlist // the newest
	next int       // the number of the segment to come
	part int       // how many of its parts have come
	init string    // the initialization section in force
	ts   *tsCheck
	mp4  fmp4Check

	playing time.Time     // when it would have begun to play, without what it stood still for
	length  time.Duration // of what has come
}

func newHLSPlayer(w *watch, client *web, stall time.Duration) *hlsPlayer {
	return &hlsPlayer{watch: w, web: client, stall: stall, mp4: fmp4Check{watch: w, times: make(map[uint32]uint64)}}
}

// patience is how long a player waits for a stream that has just begun to have a playlist.
const patience = 20 * time.Second

// play plays until ctx is done, the stream ends or something is wrong.
func (p *hlsPlayer) play(ctx context.Context, entry string) error {
	if err := p.enter(ctx, entry); err != nil {
		return err
	}
	p.start()
	for {
		begun, before := time.Now(), p.list
		if err := p.consume(ctx); err != nil {
			return err
		}
		if p.list.ended {
			return &fault{faultEnded, errors.New("the playlist has ended")}
		}
		if err := p.reload(ctx); err != nil {
			return err
		}
		pause := p.list.target
		switch {
		case p.list.blocking:
			continue
		case p.list.sequence == before.sequence && len(p.list.segments) == len(before.segments):
			pause /= 2
		}
		select {
		case <-time.After(time.Until(begun.Add(pause))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enter loads the first playlists.
func (p *hlsPlayer) enter(ctx context.Context, entry string) error {
	deadline := time.Now().Add(patience)
	for {
		err := p.load(ctx, entry)
		if err == nil && len(p.list.variants) > 0 {
			var media *url.URL
			if media, err = p.url.Parse(p.list.variants[0]); err == nil {
				err = p.load(ctx, media.String())
			}
		}
		if err == nil && len(p.list.segments)+len(p.list.parts) > 0 {
			return nil
		}
		if s, ok := errors.AsType[*statusError](err); err != nil && (!ok || s.status != http.StatusNotFound) || time.Now().After(deadline) {
			return errors.Join(err, ctx.Err())
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// load loads a playlist.
func (p *hlsPlayer) load(ctx context.Context, address string) error {
	var b []byte
	final, err := p.web.get(ctx, address, func(body []byte) { b = append(b, body...) })
	if err != nil {
		return err
	}
	p.watch.received(len(b), time.Now())
	if p.list, err = parsePlaylist(b); err != nil {
		return &fault{faultList, err}
	}
	p.url = final
	return nil
}

// start chooses where to begin.
func (p *hlsPlayer) start() {
	const behind = 3 // segments (RFC 8216, 6.3.3)
	end := p.list.sequence + len(p.list.segments)
	p.next = max(end-behind, p.list.sequence)
	if !p.list.blocking {
		return
	}
	p.next = max(end-1, p.list.sequence)
	for i, part := range p.list.parts {
		if part.isolated {
			p.next, p.part = end, i
		}
	}
}

// consume loads what is new in the playlist.
func (p *hlsPlayer) consume(ctx context.Context) error {
	if p.next < p.list.sequence {
		p.complain("segment %d is not listed any more, only those from %d on", p.next, p.list.sequence)
		p.next, p.part = p.list.sequence, 0
	}
	for i := p.next - p.list.sequence; i < len(p.list.segments); i++ {
		if err := p.segment(ctx, &p.list.segments[i]); err != nil {
			return err
		}
		p.next, p.part = p.next+1, 0
	}
	if !p.list.blocking {
		return nil
	}
	for ; p.part < len(p.list.parts); p.part++ {
		if err := p.piece(ctx, &p.list.parts[p.part], p.part == 0); err != nil {
			return err
		}
	}
	return nil
}

// segment loads what has not come yet of a segment.
func (p *hlsPlayer) segment(ctx context.Context, s *segment) error {
	if p.part == 0 {
		if err := p.piece(ctx, s, true); err != nil {
			return err
		}
		return p.whole(s)
	}
	for ; p.part < len(s.parts); p.part++ {
		if err := p.piece(ctx, &s.parts[p.part], false); err != nil {
			return err
		}
	}
	return nil
}

// whole checks the end of a segment that was loaded as one.
func (p *hlsPlayer) whole(s *segment) error {
	if p.ts == nil || s.sealed || s.gap {
		return nil
	}
	return p.ts.end(time.Now())
}

// piece loads a segment or part, the first of its segment or not, and its initialization section if that is new.
func (p *hlsPlayer) piece(ctx context.Context, s *segment, first bool) error {
	if s.gap {
		return nil
	}
	if s.seam {
		p.watch.restart()
		clear(p.mp4.times)
	}
	if s.init != "" && s.init != p.init {
		if err := p.get(ctx, s.init, checkInit); err != nil {
			return err
		}
		p.init = s.init
	}
	if first {
		p.ts = nil
		if s.init == "" {
			p.ts = newTSCheck(p.watch)
		}
	}
	err := p.get(ctx, s.uri, func(b []byte) error { return p.check(s, b) })
	p.buffered(s.length, time.Now())
	return err
}

// check looks at a segment or part.
func (p *hlsPlayer) check(s *segment, b []byte) (err error) {
	now := time.Now()
	marks := p.watch.tally.marks.Load()
	switch {
	case s.sealed:
		p.watch.media = true
	case s.init != "":
		err = p.mp4.fragment(b, now)
	default:
		err = p.ts.read(b, now)
	}
	p.watch.keyFrame(now) // segments begin with one, and so does the part that was chosen to begin with
	if marks == p.watch.tally.marks.Load() && !s.since.IsZero() {
		p.watch.aged(s.since, now)
	}
	return err
}

// checkInit looks at an initialization section.
func checkInit(b []byte) error {
	found := false
	err := boxes(b, func(name string, _ []byte) error {
		found = found || name == "moov"
		return nil
	})
	if err == nil && !found {
		err = errors.New("the initialization section has no moov")
	}
	if err != nil {
		return &fault{faultFormat, err}
	}
	return nil
}

// get loads an object of the playlist.
func (p *hlsPlayer) get(ctx context.Context, uri string, look func(b []byte) error) error {
	u, err := p.url.Parse(uri)
	if err != nil {
		return &fault{faultList, err}
	}
	var bad error
	_, err = p.web.get(ctx, u.String(), func(b []byte) {
		p.watch.received(len(b), time.Now())
		bad = look(b)
	})
	return errors.Join(err, bad)
}

// buffered takes in that so much more can be played, and finds out whether the player has stood still before. It begins to
// play when it has as much as it is to stay behind.
func (p *hlsPlayer) buffered(length time.Duration, now time.Time) {
	if !p.playing.IsZero() {
		if late := now.Sub(p.playing) - p.length; late > p.stall {
			p.watch.tally.stalls.Add(1)
			p.playing = p.playing.Add(late)
		}
	}
	if p.length += length; p.playing.IsZero() && p.length >= p.list.hold {
		p.playing = now
	}
}

// reload loads the playlist anew, with what is to come if the server waits for that (RFC 8216bis, 6.2.5.2), and compares
// it with the one before.
func (p *hlsPlayer) reload(ctx context.Context) error {
	old, u := p.list, *p.url
	if old.blocking {
		if u.RawQuery = withoutDirectives(u.RawQuery); u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += fmt.Sprintf("_HLS_msn=%d&_HLS_part=%d", p.next, p.part)
	}
	if err := p.load(ctx, u.String()); err != nil {
		return err
	}
	p.compare(old)
	return nil
}

// withoutDirectives cuts what reload has added off a query.
func withoutDirectives(query string) string {
	before, _, _ := strings.Cut(query, "_HLS_")
	return strings.TrimSuffix(before, "&")
}

// compare looks for contradictions between the newest playlist and the one before.
func (p *hlsPlayer) compare(old *playlist) {
	list := p.list
	switch {
	case list.sequence < old.sequence:
		p.complain("the media sequence number fell from %d to %d", old.sequence, list.sequence)
		return
	case list.seams < old.seams:
		p.complain("the discontinuity sequence number fell from %d to %d", old.seams, list.seams)
	case list.target != old.target:
		p.complain("the target duration was %s and is %s", old.target, list.target)
	}
	for i, s := range list.segments {
		n := list.sequence + i
		if k := n - old.sequence; k < len(old.segments) && withoutQuery(old.segments[k].uri) != withoutQuery(s.uri) {
			p.complain("segment %d was %s and is %s", n, old.segments[k].uri, s.uri)
		}
		if s.length.Round(time.Second) > list.target {
			p.complain("segment %d lasts %s, more than the target duration", n, s.length)
		}
	}
}

func withoutQuery(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// complain counts a fault of the playlist.
func (p *hlsPlayer) complain(format string, args ...any) {
	p.watch.tally.register.add(1, fmt.Errorf(format, args...), faultList)
}
