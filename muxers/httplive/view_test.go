package httplive_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// TestNothingOfWhatWasChosen asks for the sound of a stream that has none.
func TestNothingOfWhatWasChosen(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := livetest.Publish(t, s.hub, livetest.Key)
		livetest.Write(t, pub, livetest.VideoConfig(), livetest.Video(0))
		resp, err := client.Get("http://example.com/live/demo.flv?video=0")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", resp.StatusCode, http.StatusNotFound)
		readAll(t, resp)
		pub.Close(nil)
	})
}

// TestViewOfOnesOwn asks for pictures alone, from time 0, of a stream that is older.
func TestViewOfOnesOwn(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := livetest.Publish(t, s.hub, livetest.Key)
		livetest.Write(t, pub, livetest.Configs()...)
		livetest.Write(t, pub, livetest.Media(0, 2)...)
		resp, err := client.Get("http://example.com/live/demo.flv?zero=1&audio=0")
		if err != nil {
			t.Fatal(err)
		}
		pub.Close(nil)
		r, err := flv.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var times []int64
		for len(times) < 3 {
			f, err := r.ReadFrame(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "kind", f.Kind == live.KindAudio, false)
			if f.Media() {
				times = append(times, f.Time)
			}
		}
		equal(t, "times", fmt.Sprint(times), "[0 40 80]")
		readAll(t, resp)
	})
}
