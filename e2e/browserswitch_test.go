package e2e

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// TestBrowserSwitch publishes two tracks of pictures and of sound on one connection, as OBS does. hls.js has them as levels and
// audio tracks, and goes on when it is told to play the others, and back.
func TestBrowserSwitch(t *testing.T) {
	t.Parallel()
	s := serveBrowser(t, basic)
	small := shootAs(t, "h264", "mp4", append(sceneOf(6, otherTone), "-vf", "scale=320:180"), x264...)
	others := small.demux(t)
	main := tagsOf(t, packLegacy, film.demux(t)...)
	s.loop(s.url("rtmp", "/live/test"), inOrder(append(messages(oneTrack, 1, others[:1], others[1:]), main...)))
	s.awaitStream("test")
	for _, path := range []string{"/live/test.m3u8", "/live/test/index.m3u8"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := show(t, "hls", s.url("https", path), map[string]any{"capLevelToPlayerSize": false})
			c.switches(width, height)
			plays(t, 2, c)
			c.sounds(tone)
			c.switches(320, 180)
			plays(t, 2, c)
			if path == "/live/test.m3u8" { // hls.js cannot part from sound that is in one file of fMP4 with the pictures
				if err := c.ask("void (player.audioTrack = 1)", nil); err != nil {
					t.Fatal(err)
				}
				c.sounds(otherTone)
			}
			c.switches(width, height)
			plays(t, 2, c)
		})
	}
}

// switches tells hls.js which level to play from the next segment on.
func (c *cinema) switches(width, height int) {
	c.t.Helper()
	c.width, c.height = width, height
	eventually(c.t, "hls.js has both levels", func() error {
		var found bool
		err := c.ask(fmt.Sprintf(`(() => {
			const level = player.levels.findIndex((l) => l.width === %d && l.height === %d)
			if (level >= 0) player.nextLevel = level
			return level >= 0 && player.levels.length === 2 && player.audioTracks.length === 2
		})()`, width, height), &found)
		if err == nil && !found {
			err = errors.New("there are others")
		}
		return err
	})
}

// sounds waits until the sound has a tone.
func (c *cinema) sounds(tone int) {
	c.t.Helper()
	within(c.t, 2*patience, fmt.Sprintf("a tone of %d Hz", tone), func() error {
		var pitch float64
		if err := c.ask("pitch()", &pitch); err != nil {
			return err
		}
		if math.Abs(pitch-float64(tone)) > 20 {
			report, err := c.report()
			return errors.Join(fmt.Errorf("it has %.0f Hz: %+v", pitch, report), err)
		}
		return nil
	})
}
