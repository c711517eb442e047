package hls

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A shelf keeps the segments of one window in files, with a playlist that any file server can serve. One goroutine writes; the
// stream does not wait for it. What cannot be written stays in memory for as long as the window's own playlist lists it.
type shelf struct {
	storage  Storage
	key      live.Key
	variant  *variant
	window   *window
	playlist string // its file, below the folder
	failed   *atomic.Int64
	log      func() *slog.Logger
	queue    chan shelving
	done     chan struct{}

	// The following belong to the goroutine that writes.
	names map[string]string // files below the folder, by the names of objects
	old   []shelvedFile     // what was written, oldest first
	bad   bool              // the last write has failed, as the log knows
}

// A shelving is a segment to be written; nil for the end of the stream.
type shelving struct {
	segment *segment
	tell    func(file string)
}

// A shelvedFile is a file that is needed for segments from the number on at which the next of its kind begins.
type shelvedFile struct {
	name, file string
	number     int64 // the newest segment that needs it
}

// shelfLength is how many segments may wait to be written.
const shelfLength = 32

// shelve gives a segmenter a shelf if its segments are to become files, and what a shelf before has left.
func (ch *channel) shelve(g *segmenter) {
	storage := ch.config.Load().Storage
	if storage.Folder == "" {
		return
	}
	h := &shelf{
		storage: storage, key: ch.key, variant: g.window.variant, window: g.window, playlist: storage.playlistFile(ch.key, g.window.variant),
		failed: &ch.server.failedWrites, log: ch.server.logger, queue: make(chan shelving, shelfLength), done: make(chan struct{}),
		names: make(map[string]string),
	}
	if !storage.Forget {
		h.recover(g)
	}
	if !ch.server.run(func() { h.run(ch.server) }) {
		return
	}
	g.shelf = h
}

// run writes what is put, until the server ends and nothing is left.
func (h *shelf) run(s *Server) {
	defer close(h.done)
	for {
		select {
		case job, more := <-h.queue:
			if !more {
				h.empty()
				return
			}
			h.write(job)
		case <-s.ctx.Done():
			for {
				select {
				case job := <-h.queue:
					h.write(job)
				default:
					return
				}
			}
		}
	}
}

// put lets a segment that is in the window be written, and tell be told of its file afterwards. It does not wait for a disk.
// A nil segment is the end of the stream.
func (h *shelf) put(s *segment, tell func(file string)) {
	select {
	case h.queue <- shelving{s, tell}:
		return
	case <-h.done: // the server is ending
		h.write(shelving{s, tell})
		return
	default:
	}
	h.failed.Add(1)
	h.log().Error("the disk is too slow for HLS", slog.String("stream", h.key.String()))
	if s != nil {
		tell("")
	}
}

// clear ends the shelf and removes all files, once what was put is written. Nothing may be put any more.
func (h *shelf) clear() { close(h.queue) }

// empty removes all files, unless they are to be kept.
func (h *shelf) empty() {
	h.remove(func(shelvedFile) bool { return true })
	if h.storage.Keep {
		return
	}
	_ = os.Remove(h.path(h.playlist))
	_ = os.Remove(filepath.Dir(h.path(h.playlist))) // fails unless it is empty
}

// write writes a segment, and the playlist with it.
func (h *shelf) write(job shelving) {
	s := job.segment
	file := ""
	if s != nil {
		var err error
		if file, err = h.writeSegment(s); err != nil {
			h.fail(err)
			job.tell("")
			return
		}
		h.window.shelve(s, h.path(file))
	}
	if err := h.writePlaylist(); err != nil {
		h.fail(err)
	} else {
		h.bad = false
	}
	if s != nil {
		job.tell(file)
	}
	_, oldest := h.window.shelved()
	h.remove(func(f shelvedFile) bool { return f.number < oldest })
}

// writeSegment writes what a segment consists of and returns its file.
func (h *shelf) writeSegment(s *segment) (string, error) {
	file := h.storage.segmentFile(h.key, h.variant, s)
	for _, r := range []*resource{s.init, s.key} {
		if r == nil {
			continue
		}
		if err := h.writeResource(r, file, s.number); err != nil {
			return "", err
		}
	}
	file += h.variant.ending
	return file, h.writeBody(s.name, file, s.body, s.number)
}

// writeResource writes what a segment needs, once, beside the first segment that needs it.
func (h *shelf) writeResource(r *resource, beside string, number int64) error {
	i := slices.IndexFunc(h.old, func(f shelvedFile) bool { return f.name == r.name })
	if i >= 0 {
		f := h.old[i]
		f.number = number
		h.old = append(slices.Delete(h.old, i, i+1), f)
		return nil
	}
	return h.writeBody(r.name, beside+r.name[strings.IndexByte(r.name, '.'):], r.body, number)
}

func (h *shelf) writeBody(name, file string, b blob, number int64) error {
	r, err := b.open()
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	defer r.Close()
	if err := replaceFile(h.path(file), r, modeOf(file)); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	h.names[name] = file
	h.old = append(h.old, shelvedFile{name, file, number})
	return nil
}

// writePlaylist writes the playlist of all segments that are in files, with the names of the files instead of the objects',
// which stand in comments, for recover.
func (h *shelf) writePlaylist() error {
	p := h.window.playlist()
	segments, _ := h.window.shelved()
	segments = slices.DeleteFunc(slices.Clone(segments), func(s *segment) bool { return s.number < p.all[0].number })
	if len(segments) == 0 {
		return nil
	}
	text := p.ofFiles(segments, func(name string) string { return h.relative(h.names[name]) })
	if err := replaceFile(h.path(h.playlist), strings.NewReader(text), modeOf(h.playlist)); err != nil {
		return fmt.Errorf("writing %s: %w", h.playlist, err)
	}
	return nil
}

// relative returns the URL of a file as seen from the playlist.
func (h *shelf) relative(file string) string {
	rel, err := filepath.Rel(filepath.FromSlash(path.Dir(h.playlist)), filepath.FromSlash(file))
	if err != nil {
		rel = file // both are below the folder, so this cannot be
	}
	return (&url.URL{Path: filepath.ToSlash(rel)}).String()
}

func (h *shelf) path(file string) string {
	return filepath.Join(h.storage.Folder, filepath.FromSlash(file))
}

// remove removes files and what is then an empty folder.
func (h *shelf) remove(which func(shelvedFile) bool) {
	if h.storage.Keep {
		return
	}
	h.old = slices.DeleteFunc(h.old, func(f shelvedFile) bool {
		if !which(f) {
			return false
		}
		delete(h.names, f.name)
		if err := os.Remove(h.path(f.file)); err != nil && !os.IsNotExist(err) {
			h.fail(fmt.Errorf("removing %s: %w", f.file, err))
		}
		_ = os.Remove(filepath.Dir(h.path(f.file))) // fails unless it is empty
		return true
	})
}

// fail counts a failure, and logs the first of several.
func (h *shelf) fail(err error) {
	h.failed.Add(1)
	if !h.bad {
		h.log().Error("HLS on disk", slog.String("stream", h.key.String()), slog.Any("error", err))
	}
	h.bad = true
}

// modeOf returns who may read a file: everybody, but for keys.
func modeOf(file string) os.FileMode {
	if strings.HasSuffix(file, keyEnding) {
		return 0o600
	}
	return 0o644
}

// replaceFile writes a file under another name and renames it, so that it is there whole or not at all.
func replaceFile(name string, r io.Reader, mode os.FileMode) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // file servers of other users may serve them
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = io.Copy(f, r); err == nil {
		err = f.Chmod(mode)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
