package hls

import (
	"net/url"
	"path/filepath"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Segment is what Server.Listed is told.
type Segment struct {
	// Key and StreamID are the stream's.
	Key      live.Key
	StreamID string
	// Publisher is who has sent it. It is nil only if the publisher had left before the first segment was complete.
	Publisher *live.SessionInfo
	// Variant is how it is packed: VariantTS or VariantFMP4. First says that it is of the first variant that is chosen, since
	// another has the same again.
	Variant string
	First   bool
	// Number is its media sequence number.
	Number int64
	// Length is how long it plays.
	Length time.Duration
	// URL and Playlist are where it and the stream's entry playlist are, escaped, relative to where streams are served:
	// "live/cam1/m3x-17.ts" and "live/cam1.m3u8". With sessions a viewer's URL has its query besides.
	URL, Playlist string
	// File and PlaylistFile are their files, if they are in files: absolute if the folder is.
	File, PlaylistFile string
}

// listed tells the server's owner of a segment.
func (ch *channel) listed(v *variant, p *live.SessionInfo, streamID string, s *segment, file string) {
	if ch.server.Listed == nil {
		return
	}
	stream := url.PathEscape(ch.key.App) + "/" + url.PathEscape(ch.key.Name)
	var playlistFile string
	if storage := ch.config.Load().Storage; file != "" {
		file = filepath.Join(storage.Folder, filepath.FromSlash(file))
		playlistFile = filepath.Join(storage.Folder, filepath.FromSlash(storage.playlistFile(ch.key, v)))
	}
	ch.server.Listed(Segment{
		Key:       ch.key,
		StreamID:  streamID,
		Publisher: p,
		Variant:   v.name,
		First:     v == ch.config.Load().chosen()[0],
		Number:    s.number,
		Length:    time.Duration(s.length) * time.Millisecond,
		URL:       stream + "/" + url.PathEscape(s.name),
		Playlist:  stream + ".m3u8",
		File:      file,

		PlaylistFile: playlistFile,
	})
}
