package caddymodule

import (
	"errors"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// observe writes the log: a line when a session begins, one when it ends, and one for a refusal.
func (a *App) observe(e live.Event) {
	log := a.logger.Named("session").With(sessionFields(&e.Session)...)
	switch e.Type {
	case live.EventPublish:
		log.Info("publish started")
	case live.EventPlay:
		log.Info("play started")
	case live.EventUnpublish:
		log.Info("publish ended", endFields(e)...)
	case live.EventStop:
		log.Info("play ended", endFields(e)...)
	case live.EventClose:
		a.logger.Named("connection").Debug("connection ended", append(sessionFields(&e.Session), trafficFields(e.Session.Totals)...)...)
	case live.EventRefuse:
		log.Info("refused", zap.Stringer("action", e.Session.Action), zap.Error(e.Err))
	}
}

func sessionFields(s *live.SessionInfo) []zap.Field {
	fields := []zap.Field{
		zap.String("session", s.ID),
		zap.String("protocol", s.Protocol),
		zap.String("vhost", s.Key.Vhost),
		zap.String("app", s.Key.App),
		zap.String("stream", s.Key.Name),
		zap.Stringer("remote", s.Remote),
	}
	if s.UserAgent != "" {
		fields = append(fields, zap.String("user_agent", s.UserAgent))
	}
	if s.TLS != nil {
		fields = append(fields, zap.Bool("tls", true))
	}
	return fields
}

func endFields(e live.Event) []zap.Field {
	t := e.Session.Totals
	fields := []zap.Field{
		zap.String("reason", reason(e.Err)),
		zap.Duration("duration", e.Time.Sub(e.Session.Began).Round(time.Millisecond)),
	}
	fields = append(fields, trafficFields(t)...)
	if e.Session.Action == live.ActionPublish {
		return append(fields,
			zap.Int64("video_frames", t.VideoFrames),
			zap.Int64("audio_frames", t.AudioFrames),
			zap.Int64("broken_tags", t.BrokenTags))
	}
	return append(fields,
		zap.Int64("skips", t.Skips),
		zap.Int64("skips_by_bytes", t.SkipsByBytes),
		zap.Int64("bytes_skipped", t.SkippedBytes))
}

func trafficFields(t live.Totals) []zap.Field {
	return []zap.Field{zap.Int64("bytes_sent", t.Sent), zap.Int64("bytes_received", t.Received)}
}

// reason says why a session has ended.
func reason(err error) string {
	if err == nil || errors.Is(err, io.EOF) {
		return "client left"
	}
	return err.Error()
}
