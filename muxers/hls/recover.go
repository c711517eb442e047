package hls

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A remnant is a playlist of files that was left behind, while it is read.
type remnant struct {
	shelf *shelf

	target, partTarget int64
	number, seams      int64 // of the next segment
	segments           []*segment

	name      string // of the object on the next line with an URI
	next      segment
	init, key *resource // in force
}

// recover lets g go on with the segments that the process before has left. A playlist that cannot be understood, or whose
// files are gone, is begun anew.
func (h *shelf) recover(g *segmenter) {
	text, err := os.ReadFile(h.path(h.playlist))
	if os.IsNotExist(err) {
		return
	}
	r := &remnant{shelf: h}
	if err == nil {
		err = r.read(string(text))
	}
	if err != nil {
		h.fail(fmt.Errorf("reading what was left in %s: %w", h.playlist, err))
	}
	if err != nil || len(r.segments) == 0 || r.target <= 0 {
		clear(h.names)
		h.old = nil
		return
	}
	g.cut.target, g.slice.target = r.target, r.partTarget
	c := g.config()
	h.window.resume(r.segments, listing{count: c.Window, time: c.WindowTime, dvr: c.DVR, target: r.target, files: true, old: true})
}

// read takes in the lines of a playlist.
func (r *remnant) read(text string) error {
	for line := range strings.Lines(text) {
		if err := r.line(strings.TrimSpace(line)); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
	}
	return nil
}

func (r *remnant) line(line string) (err error) {
	name, value, _ := strings.Cut(line, ":")
	switch name {
	case "#EXT-X-TARGETDURATION":
		r.target, err = strconv.ParseInt(value, 10, 32)
	case "#EXT-X-MEDIA-SEQUENCE":
		r.number, err = strconv.ParseInt(value, 10, 64)
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		r.seams, err = strconv.ParseInt(value, 10, 64)
	case "#EXT-X-DISCONTINUITY":
		r.next.seam = true
		r.seams++
	case "#EXT-X-MAP":
		r.init, err = r.resource(value)
	case "#EXT-X-KEY":
		r.key = nil
		if strings.HasPrefix(value, "METHOD=AES-128") {
			r.key, err = r.resource(value)
		}
	case "#EXT-X-PROGRAM-DATE-TIME":
		r.next.began, err = time.Parse(time.RFC3339Nano, value)
	case "#EXTINF":
		var seconds float64
		seconds, err = strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
		r.next.length = int64(seconds*1000 + 0.5)
	default:
		return r.other(line)
	}
	return err
}

// other takes in comments and URIs.
func (r *remnant) other(line string) (err error) {
	part, ok := strings.CutPrefix(line, partComment)
	switch {
	case ok:
		r.partTarget, err = strconv.ParseInt(part, 10, 32)
	case strings.HasPrefix(line, "# "):
		r.name = line[2:]
	case line != "" && line[0] != '#':
		err = r.segment(line)
	}
	return err
}

// segment takes in a segment at an URI. One that is gone takes those before it with it.
func (r *remnant) segment(uri string) error {
	s := r.next
	s.number, s.seams, s.name, s.init, s.key = r.number, r.seams, r.name, r.init, r.key
	r.next = segment{}
	r.number++
	if _, ok := splitName(s.name, r.shelf.variant.ending); !ok || s.length <= 0 {
		return fmt.Errorf("%q is no segment", s.name)
	}
	file, err := r.file(uri)
	if err != nil {
		return err
	}
	info, err := os.Stat(r.shelf.path(file))
	if err != nil || s.init != nil && s.init.body.size == 0 || s.key != nil && s.key.body.size == 0 {
		r.segments = nil
		return nil //nolint:nilerr // an operator may remove what is old
	}
	s.size = info.Size()
	s.body = blob{file: r.shelf.path(file), size: s.size}
	r.segments = append(r.segments, &s)
	r.note(s.name, file, s.number)
	for _, of := range []*resource{s.init, s.key} {
		if of != nil {
			r.note(of.name, r.shelf.names[of.name], s.number)
		}
	}
	return nil
}

// resource returns what an attribute list leads to. Its body is empty if that is gone.
func (r *remnant) resource(attributes string) (*resource, error) {
	_, uri, _ := strings.Cut(attributes, `URI="`)
	uri, _, _ = strings.Cut(uri, `"`)
	file, err := r.file(uri)
	if err != nil {
		return nil, err
	}
	of := &resource{name: r.name}
	r.shelf.names[of.name] = file
	if b, err := os.ReadFile(r.shelf.path(file)); err == nil {
		of.body = inMemory(b)
	}
	return of, nil
}

// file returns the file below the folder that an URI of the playlist leads to.
func (r *remnant) file(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	file := path.Join(path.Dir(r.shelf.playlist), u.Path)
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return "", fmt.Errorf("%s is not in the folder", uri)
	}
	return file, nil
}

// note lets the shelf see to a file, which the segment of a number needs.
func (r *remnant) note(name, file string, number int64) {
	h := r.shelf
	h.names[name] = file
	for i := range h.old {
		if h.old[i].name == name {
			h.old[i].number = number
			return
		}
	}
	h.old = append(h.old, shelvedFile{name, file, number})
}
