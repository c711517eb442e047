package rtmpapp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// FuzzConnection lets a peer say anything after the handshake. The server meets no fault in itself, and each session that
// begins ends with the connection.
func FuzzConnection(f *testing.F) {
	const handshake = 1 + 2*1536
	files, err := filepath.Glob("testdata/sessions/*.bin")
	if err != nil || len(files) == 0 {
		f.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		session, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(session[handshake : handshake+3000])
	}
	f.Add(chunks(connectTo("live"), wire.Command(0, "createStream", 2, nil), playing("demo"), wire.Command(1, "pause", 0, nil, true),
		wire.Command(1, "pause", 0, nil, false), wire.Command(1, "closeStream", 0, nil), publishing("mine"), media(livetest.VideoConfig()),
		media(livetest.Video(0)), wire.Command(1, "FCUnpublish", 0, nil, "mine"), wire.Command(1, "deleteStream", 0, nil, 1)))
	f.Fuzz(func(t *testing.T, said []byte) {
		w := newWorld(t, nil, nil)
		w.noFaults()
		w.onAir()
		session := append(make([]byte, handshake, handshake+len(said)), said...)
		session[0] = 3
		isErr(t, "ServeConn", w.ServeConn(&script{Reader: bytes.NewReader(session)}), nil)
		w.mu.Lock()
		defer w.mu.Unlock()
		open := make(map[string]bool)
		for _, e := range w.events {
			switch e.Type {
			case live.EventPublish, live.EventPlay:
				open[e.Session.ID] = true
			case live.EventUnpublish, live.EventStop:
				delete(open, e.Session.ID)
			}
		}
		equal(t, "sessions left but the publisher of the test", len(open), 1)
	})
}
