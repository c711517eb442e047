package e2e

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

// watchRenditions watches a stream that has the film and a second one in its tracks, over HLS: the film, the picture of the
// second with the film's sound, and the sound of the second alone, each a rendition of the same session.
func (s *server) watchRenditions(t *testing.T, stream string, second *movie) {
	t.Helper()
	picture, sound := *second, *second
	picture.tone = film.tone
	sound.codec = ""
	for _, entry := range []string{"/live/" + stream + ".m3u8", "/live/" + stream + "/index.m3u8"} {
		t.Run("renditions"+entry, func(t *testing.T) {
			t.Parallel()
			lists := s.renditions(t, s.url("https", entry))
			if len(lists) != 3 {
				t.Fatalf("renditions: %v", lists)
			}
			film.examine(t, lists[""])
			picture.examine(t, lists["v1"])
			sound.examine(t, lists["a1"])
		})
	}
}

var uris = regexp.MustCompile(`(?m)^[^#\n].*$|URI="([^"]*)"`)

// renditions returns the URLs to which an entry playlist leads, by what tells them apart.
func (s *server) renditions(t *testing.T, entry string) map[string]string {
	t.Helper()
	base, err := url.Parse(entry)
	if err != nil {
		t.Fatal(err)
	}
	lists, sessions := map[string]string{}, map[string]bool{}
	for _, m := range uris.FindAllStringSubmatch(string(must(t, "curl", "-sSkf", entry)), -1) {
		u, err := base.Parse(m[0])
		if m[1] != "" {
			u, err = base.Parse(m[1])
		}
		if err != nil {
			t.Fatal(err)
		}
		_, mark, _ := strings.Cut(strings.TrimSuffix(path.Base(u.Path), ".m3u8"), "-")
		lists[mark] = u.String()
		sessions[u.Query().Get("hls_ctx")] = true
	}
	if len(sessions) != 1 || sessions[""] {
		t.Errorf("sessions: %v", sessions)
	}
	return lists
}
