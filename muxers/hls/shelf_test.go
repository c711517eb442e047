package hls

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	m3u8 "github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// files returns the files in a folder.
func files(t testing.TB, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(folder, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// onDisk runs f in a bubble on a site that keeps segments in files.
func onDisk(t *testing.T, f func(s *site, folder string)) {
	folder := t.TempDir()
	inBubble(t, func(s *site) {
		s.config = DefaultConfig()
		s.config.Sessions, s.config.AlwaysOn = SessionsOff, true
		s.config.Storage.Folder = folder
		f(s, folder)
	})
}

// readList reads a playlist in a folder and checks that the files that it names are there and what HTTP gives.
func readList(s *site, folder, file, served string) *m3u8.Media {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
	if err != nil {
		s.Fatal(err)
	}
	m := new(m3u8.Media)
	if err := m.Unmarshal(b); err != nil {
		s.Fatalf("%v in\n%s", err, b)
	}
	for _, r := range rules {
		if what := r.fail(readDocument(string(b))); what != "" && !strings.HasPrefix(r.name, "nothing but known") && !strings.HasPrefix(r.name, "4.1: URIs") {
			s.Errorf("%s: %s: %s in\n%s", file, r.name, what, b)
		}
	}
	d := s.watch(served).look("")
	for _, seg := range m.Segments {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(filepath.Dir(file)), filepath.FromSlash(seg.URI)))
		if err != nil {
			s.Error(err)
		}
		number := strings.TrimSuffix(filepath.Base(seg.URI), filepath.Ext(seg.URI))
		for _, of := range d.segments {
			if fmt.Sprint(of.number) == number && !bytes.Equal(s.ok("/live/demo/"+of.uri), content) {
				s.Errorf("%s is another over HTTP", seg.URI)
			}
		}
	}
	return m
}

// Segments become files, listed in a playlist of their own, which are what HTTP gives; they leave the memory, and go when
// nobody is promised them any more, at last with the stream.
func TestShelf(t *testing.T) {
	onDisk(t, func(s *site, folder string) {
		var mu sync.Mutex
		told := map[string]int{}
		s.server.Listed = func(seg Segment) {
			if _, err := os.Stat(seg.File); err != nil {
				s.Error(err)
			}
			list, err := os.ReadFile(seg.PlaylistFile)
			if err != nil || !bytes.Contains(list, []byte(filepath.Base(seg.File))) {
				s.Errorf("%s is not listed in %s: %v", seg.File, seg.PlaylistFile, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told[seg.Variant]++
		}
		p := livetest.Publish(s.T, s.hub, livetest.Key)
		s.server.Keep(s.hub.Resolve(livetest.Key), s.config)
		go func() { _ = livetest.Pace(s.Context(), p, livetest.GOPs(80)...) }()
		sleep(61 * time.Second)
		for file, served := range map[string]string{"live/demo.m3u8": "media.m3u8", "live/demo/index.m3u8": "stream.m3u8"} {
			if m := readList(s, folder, file, "/live/demo/"+served); len(m.Segments) != 10 {
				s.Errorf("%d segments in %s", len(m.Segments), file)
			}
		}
		names := files(s.T, folder)
		if n := len(names); n < 2*10+3 || n > 2*13+3 {
			s.Errorf("%d files: %v", n, names)
		}
		ch := s.server.find(s.hub.Resolve(livetest.Key))
		for v, g := range ch.segmenters {
			held := int64(0)
			for seg := range g.window.newest() {
				for _, piece := range seg.body.pieces {
					held += int64(len(piece))
				}
				for _, part := range seg.parts {
					if seg.body.file != "" && part.body != nil {
						s.Errorf("%s: part %s is in a file and in memory", v.name, part.name)
					}
				}
			}
			if held > 20_000 {
				s.Errorf("%s: %d bytes in memory", v.name, held)
			}
		}
		s.server.release(ch)
		mu.Lock()
		if told["ts"] != 30 || told["fmp4"] != 30 {
			s.Errorf("told %v", told)
		}
		mu.Unlock()
		leave(p)
		sleep(8 * time.Second)
		if b, _ := os.ReadFile(filepath.Join(folder, "live", "demo.m3u8")); !bytes.Contains(b, []byte("#EXT-X-ENDLIST\n")) {
			s.Errorf("not closed:\n%s", b)
		}
		sleep(time.Minute)
		if names := files(s.T, folder); len(names) != 0 {
			s.Errorf("left: %v", names)
		}
		if n := s.server.FailedWrites(); n != 0 {
			s.Errorf("%d failures", n)
		}
	})
}

// After a restart the playlist goes on behind a discontinuity: numbers, names and target durations stay, and what was
// listed is there.
func TestRecover(t *testing.T) {
	for _, ts := range []bool{true, false} {
		onDisk(t, func(s *site, _ string) {
			s.config.TS, s.config.FMP4, s.config.DVR = ts, !ts, 10*time.Minute
			run := func(seconds int) *document {
				p := livetest.Publish(s.T, s.hub, livetest.Key)
				defer leave(p)
				livetest.Write(s.T, p, livetest.GOPs(1)...)
				s.server.Keep(s.hub.Resolve(livetest.Key), s.config)
				go func() { _ = livetest.Pace(s.Context(), p, livetest.Media(1, seconds)...) }()
				sleep(time.Duration(seconds-1) * time.Second)
				w := s.watch(folder + s.multivariant(s.ok(folder + "index.m3u8")).Variants[0].URI + "?dvr")
				d := w.look("")
				w.fetch(d)
				return d
			}
			before := run(20)
			for range 2 {
				s.server.Close()
				s.server = NewServer(s.hub)
				s.handler.Server = s.server
				sleep(time.Minute)
				after := run(10)
				for _, r := range successions {
					if r.name != "6.2.6: what was hinted is what comes" {
						if what := r.fail(before, after); what != "" {
							s.Errorf("%s: %s:\n%s\nand then\n%s", r.name, what, before.text, after.text)
						}
					}
				}
				if n := len(after.segments) - len(before.segments); n < 4 || after.last().seams != before.last().seams+1 {
					s.Errorf("%d more segments:\n%s\nand then\n%s", n, before.text, after.text)
				}
				before = after
			}
		})
	}
}

// What was left but cannot be used is begun anew, and only what is whole is used.
func TestRecoverDamaged(t *testing.T) {
	for name, damage := range map[string]func(folder, text string) string{
		"no playlist": func(_, text string) string { return strings.ReplaceAll(text, "#EXTINF", "#EXTNOT") },
		"no numbers":  func(_, text string) string { return strings.ReplaceAll(text, "SEQUENCE:", "SEQUENCE:x") },
		"no names":    func(_, text string) string { return strings.ReplaceAll(text, "\n# ", "\n#- ") },
		"outside":     func(_, text string) string { return strings.ReplaceAll(text, "demo/", "../../") },
		"no files": func(folder, text string) string {
			_ = os.RemoveAll(filepath.Join(folder, "live", "demo"))
			return text
		},
		"forgotten": func(_, text string) string { return text },
	} {
		t.Run(name, func(t *testing.T) {
			onDisk(t, func(s *site, folder string) {
				s.config.FMP4 = false
				s.config.Storage.Forget = name == "forgotten"
				for range 2 {
					p := livetest.Publish(s.T, s.hub, livetest.Key)
					livetest.Write(s.T, p, livetest.GOPs(9)...)
					s.server.Keep(s.hub.Resolve(livetest.Key), s.config)
					sleep(time.Second)
					if n := len(s.media(folderOf(s)).Segments); n != 4 {
						s.Errorf("%d segments", n)
					}
					leave(p)
					s.server.Close()
					list := filepath.Join(folder, "live", "demo.m3u8")
					text, err := os.ReadFile(list)
					if err != nil {
						s.Fatal(err)
					}
					if err := os.WriteFile(list, []byte(damage(folder, string(text))), 0o600); err != nil {
						s.Fatal(err)
					}
					s.server = NewServer(s.hub)
					s.handler.Server = s.server
				}
			})
		})
	}
}

func folderOf(s *site) string {
	return folder + s.multivariant(s.ok(folder + "index.m3u8")).Variants[0].URI
}

// A disk that fails is logged and counted, and nobody who watches notices.
func TestShelfFails(t *testing.T) {
	onDisk(t, func(s *site, folder string) {
		var log bytes.Buffer
		s.server.Logger = func() *slog.Logger { return slog.New(slog.NewTextHandler(&log, nil)) }
		if err := os.WriteFile(filepath.Join(folder, "live"), nil, 0o600); err != nil { // where a folder is to be
			s.Fatal(err)
		}
		s.config.FMP4, s.config.DVR = false, 10*time.Minute
		s.publish(90)
		sleep(0)
		s.server.Keep(s.hub.Resolve(livetest.Key), s.config)
		sleep(61 * time.Second)
		w := s.watch(folderOf(s))
		w.fetch(w.look(""))
		w.path += "?dvr"
		if n := len(w.look("").segments); n < 10 || n > 12 { // what is not in files does not fill the memory
			s.Errorf("%d segments", n)
		}
		if s.server.FailedWrites() < 25 || strings.Count(log.String(), "\n") != 1 {
			s.Errorf("%d failures, log:\n%s", s.server.FailedWrites(), log.String())
		}
	})
}

// Names of files follow their templates.
func TestTemplates(t *testing.T) {
	k := live.Key{Vhost: "tv.example", App: "live", Name: "demo"}
	seg := &segment{number: 17, length: 2000, began: time.Date(2026, 2, 3, 4, 5, 6, 78e6, time.Local)}
	for template, want := range map[string]string{
		"":                             "tv.example/live/demo/17",
		"[app]/[stream]-[seq].ts":      "tv.example/live/demo-17",
		"[vhost]/[app]/[stream]/[seq]": "tv.example/live/demo/17",
		"[stream]/[2006]/[01]-[02]/[15][04][05].[999]-[seq]-[duration].m4s": "tv.example/demo/2026/02-03/040506.078-17-2000",
		"[stream]/[timestamp]": fmt.Sprintf("tv.example/demo/%d", seg.began.UnixMilli()),
	} {
		s := Storage{Segment: template}
		if got := s.segmentFile(k, transport, seg); got != want {
			t.Errorf("%s: %s, want %s", template, got, want)
		}
		if err := s.Check(true); err != nil {
			t.Error(err)
		}
	}
	k.Vhost = live.DefaultVhost
	if got := (Storage{Playlist: "[variant]/[stream].m3u8"}).playlistFile(k, fragmented); got != "fmp4/demo.m3u8" {
		t.Error(got)
	}
	for _, bad := range []Storage{
		{Segment: "[stream]"},
		{Segment: "[seq]"},
		{Segment: "../[stream]-[seq]"},
		{Segment: "/[stream]-[seq]"},
		{Segment: "[stream]-[seq]-[what]"},
		{Segment: "[stream]-[seq"},
		{Playlist: "[stream]"},
		{Playlist: "[stream].m3u8"},
		{Playlist: "[stream]-[seq]-[variant].m3u8"},
	} {
		if bad.Check(true) == nil {
			t.Errorf("%+v is fine", bad)
		}
	}
	if err := (Storage{Playlist: "[stream].m3u8"}).Check(false); err != nil {
		t.Error(err)
	}
	if !slices.IsSorted([]int{playlistWords, len(words)}) {
		t.Error("words")
	}
}
