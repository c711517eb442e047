package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A playlist is an HLS playlist (RFC 8216bis), as far as a viewer of live streams needs it.
type playlist struct {
	variants []string // URIs of media playlists; then the rest is empty

	target   time.Duration
	sequence int           // media sequence number of the first segment
	seams    int           // discontinuity sequence number
	blocking bool          // the server waits with its answer for what is to come
	hold     time.Duration // how far from the end players are to play
	ended    bool
	segments []segment
	parts    []segment // of the segment to come
}

// A segment is a segment or a part of one.
type segment struct {
	uri      string
	length   time.Duration
	init     string // of the initialization section; empty for none
	seam     bool   // a discontinuity comes before it
	sealed   bool   // it is encrypted
	gap      bool   // there is nothing to load
	since    time.Time
	parts    []segment
	isolated bool // a part that decoding can begin with
}

// parsePlaylist reads a playlist.
func parsePlaylist(b []byte) (*playlist, error) {
	p := new(playlist)
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, len(b)+1)
	if !lines.Scan() || strings.TrimSpace(lines.Text()) != "#EXTM3U" {
		return nil, errors.New("the playlist does not begin with #EXTM3U")
	}
	next := new(segment)
	variant := false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case line == "":
		case tag == "#EXT-X-STREAM-INF":
			variant = true
		case strings.HasPrefix(line, "#"):
			if err := p.tag(tag, value, next); err != nil {
				return nil, fmt.Errorf("the line %q: %w", line, err)
			}
		case variant:
			p.variants = append(p.variants, line)
			variant = false
		default:
			next = p.add(next, line)
		}
	}
	p.parts = next.parts
	if p.hold == 0 {
		p.hold = 3 * p.target // RFC 8216bis, 4.4.3.8
	}
	if len(p.variants) == 0 && p.target <= 0 {
		return nil, errors.New("the playlist has no target duration")
	}
	return p, lines.Err()
}

// add ends a segment with its URI, and returns the next.
func (p *playlist) add(s *segment, uri string) *segment {
	s.uri = uri
	p.segments = append(p.segments, *s)
	next := &segment{init: s.init, sealed: s.sealed}
	if !s.since.IsZero() {
		next.since = s.since.Add(s.length)
	}
	return next
}

// tag takes in a tag, which may be about the next segment.
func (p *playlist) tag(tag, value string, next *segment) (err error) {
	switch tag {
	case "#EXT-X-TARGETDURATION":
		p.target, err = seconds(value)
	case "#EXT-X-MEDIA-SEQUENCE":
		p.sequence, err = strconv.Atoi(value)
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		p.seams, err = strconv.Atoi(value)
	case "#EXT-X-SERVER-CONTROL":
		err = p.control(value)
	case "#EXT-X-ENDLIST":
		p.ended = true
	case "#EXTINF":
		length, _, _ := strings.Cut(value, ",")
		next.length, err = seconds(length)
	case "#EXT-X-DISCONTINUITY":
		next.seam = true
	case "#EXT-X-GAP":
		next.gap = true
	case "#EXT-X-KEY":
		next.sealed = attribute(value, "METHOD") != "NONE"
	case "#EXT-X-MAP":
		next.init = attribute(value, "URI")
	case "#EXT-X-PROGRAM-DATE-TIME":
		next.since, err = time.Parse("2006-01-02T15:04:05.999999999Z0700", strings.Replace(value, "Z07:00", "Z", 1))
	case "#EXT-X-PART":
		err = next.addPart(value)
	}
	return err
}

// control takes in what the server says of itself.
func (p *playlist) control(attributes string) (err error) {
	p.blocking = attribute(attributes, "CAN-BLOCK-RELOAD") == "YES"
	hold := attribute(attributes, "HOLD-BACK")
	if part := attribute(attributes, "PART-HOLD-BACK"); p.blocking && part != "" {
		hold = part
	}
	if hold != "" {
		p.hold, err = seconds(hold)
	}
	return err
}

// addPart adds a part to a segment.
func (s *segment) addPart(attributes string) (err error) {
	part := segment{
		uri:      attribute(attributes, "URI"),
		init:     s.init,
		sealed:   s.sealed,
		gap:      attribute(attributes, "GAP") == "YES",
		seam:     s.seam && len(s.parts) == 0,
		isolated: attribute(attributes, "INDEPENDENT") == "YES",
		since:    s.since,
	}
	for _, earlier := range s.parts {
		if !part.since.IsZero() {
			part.since = part.since.Add(earlier.length)
		}
	}
	part.length, err = seconds(attribute(attributes, "DURATION"))
	s.parts = append(s.parts, part)
	return err
}

func seconds(text string) (time.Duration, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || f < 0 || f > 1e6 {
		return 0, fmt.Errorf("%q is no number of seconds", text)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// attribute returns the value of an attribute without its quotes, empty if there is none (RFC 8216, 4.2).
func attribute(list, name string) string {
	for list != "" {
		key, rest, ok := strings.Cut(list, "=")
		if !ok {
			return ""
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, list, _ = strings.Cut(rest[1:], `"`)
			list = strings.TrimPrefix(list, ",")
		} else {
			value, list, _ = strings.Cut(rest, ",")
		}
		if strings.TrimSpace(key) == name {
			return value
		}
	}
	return ""
}
