package hls

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Storage says where segments are kept.
type Storage struct {
	// Folder is where they become files; empty for memory, which is the default. It is made if it is not there. A change holds
	// for streams that come on air later.
	Folder string
	// Playlist and Segment are templates of file names below Folder. Words in brackets stand for the stream and the segment:
	// [vhost], [app], [stream], [variant]; [seq], its media sequence number, [timestamp], when it began in Unix
	// milliseconds, [duration] in milliseconds, and [2006] [01] [02] [15] [04] [05] [999], the parts of that moment in local
	// time. The ending of a segment is that of its variant. Streams of other vhosts than the default one have a folder of its
	// name, unless the template says [vhost]. Default "[app]/[stream].m3u8" for MPEG-TS, "[app]/[stream]/index.m3u8" for
	// fragmented MP4, and "[app]/[stream]/[seq]", as they are over HTTP.
	Playlist, Segment string
	// Keep leaves files that nobody is promised any more. Default: they are removed.
	Keep bool
	// Forget begins anew after a restart. Default: the playlist that the process before has left goes on.
	Forget bool
}

// words are what templates may hold in brackets; those of a playlist first.
var words = []string{"vhost", "app", "stream", "variant", "seq", "timestamp", "duration", "2006", "01", "02", "15", "04", "05", "999"}

// playlistWords is how many of words a playlist may hold.
const playlistWords = 4

// Check tells what is wrong with the templates, where a stream has several variants or not.
func (s Storage) Check(several bool) error {
	for template, known := range map[string][]string{s.Playlist: words[:playlistWords], s.Segment: words} {
		if template == "" {
			continue
		}
		for i, part := range strings.Split(template, "[")[1:] {
			if word, _, ok := strings.Cut(part, "]"); !ok || !slices.Contains(known, word) {
				return errors.New("[" + part + ": no such word in template " + template + ", at bracket " + strconv.Itoa(i+1))
			}
		}
		if !filepath.IsLocal(filepath.FromSlash(template)) {
			return errors.New("template " + template + " does not stay in its folder")
		}
		if !strings.Contains(template, "[stream]") {
			return errors.New("template " + template + " has no [stream]")
		}
	}
	switch {
	case s.Playlist != "" && several && !strings.Contains(s.Playlist, "[variant]"):
		return errors.New("template " + s.Playlist + " has no [variant], and there are several")
	case s.Playlist != "" && !strings.HasSuffix(s.Playlist, ".m3u8"):
		return errors.New("template " + s.Playlist + " does not end with .m3u8")
	case s.Segment != "" && !strings.Contains(s.Segment, "[seq]") && !strings.Contains(s.Segment, "[timestamp]"):
		return errors.New("template " + s.Segment + " has neither [seq] nor [timestamp]")
	}
	return nil
}

// expand returns the file of a template, below Folder, with slashes. s is nil for a playlist.
func (s Storage) expand(template string, k live.Key, v *variant, seg *segment) string {
	values := []string{k.Vhost, k.App, k.Name, v.name}
	if seg != nil {
		t := seg.began.Local()
		values = append(values, strconv.FormatInt(seg.number, 10), strconv.FormatInt(t.UnixMilli(), 10), strconv.FormatInt(seg.length, 10))
		for _, word := range words[len(values):] {
			values = append(values, clock(t, word))
		}
	}
	var pairs []string
	for i, value := range values {
		pairs = append(pairs, "["+words[i]+"]", value)
	}
	file := strings.NewReplacer(pairs...).Replace(template)
	if k.Vhost != live.DefaultVhost && k.Vhost != "" && !strings.Contains(template, "[vhost]") {
		file = k.Vhost + "/" + file
	}
	return file
}

// clock returns a part of a moment, by the word that stands for it in time.Layout.
func clock(t time.Time, word string) string {
	if word == "999" {
		return t.Format(".000")[1:]
	}
	return t.Format(word)
}

// playlistFile returns the file of a stream's playlist, below Folder.
func (s Storage) playlistFile(k live.Key, v *variant) string {
	template := s.Playlist
	switch {
	case template != "":
	case v == fragmented:
		template = "[app]/[stream]/index.m3u8"
	default:
		template = "[app]/[stream].m3u8"
	}
	return s.expand(template, k, v, nil)
}

// segmentFile returns the file of a segment, below Folder, without its ending.
func (s Storage) segmentFile(k live.Key, v *variant, seg *segment) string {
	template := s.Segment
	if template == "" {
		template = "[app]/[stream]/[seq]"
	}
	for _, u := range variants {
		template = strings.TrimSuffix(template, u.ending)
	}
	return s.expand(template, k, v, seg)
}
