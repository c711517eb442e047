package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// A limit is one argument of a sub-directive that sets Limits.
type limit struct {
	to    *int
	parse func(d *caddyfile.Dispenser, text string) (int, error)
}

// limitsOption parses `<name> <first> [<second> [<third>]]`, each into its limit.
func (a *App) limitsOption(limitsOf func(l *Limits) []limit) option {
	return func(d *caddyfile.Dispenser) error {
		if a.Limits == nil {
			a.Limits = new(Limits)
		}
		limits := limitsOf(a.Limits)
		args := d.RemainingArgs()
		if len(args) == 0 || len(args) > len(limits) {
			return d.ArgErr()
		}
		for i, text := range args {
			n, err := limits[i].parse(d, text)
			if err != nil {
				return err
			}
			*limits[i].to = n
		}
		return nil
	}
}

func connectionLimits(l *Limits) []limit {
	return []limit{
		{&l.Connections, parseConnections},
		{&l.ConnectionsPerAddress, parseConnections},
		{&l.UnauthenticatedPerAddress, parseConnections},
	}
}

func messageLimits(l *Limits) []limit {
	return []limit{
		{&l.CommandSize, parseMessageSize},
		{&l.MediaSize, parseMessageSize},
		{&l.AdmittedMediaSize, parseMessageSize},
	}
}

func chunkStreamLimits(l *Limits) []limit {
	return []limit{{&l.ChunkStreams, between(minChunkStreams, maxChunkStreams)}}
}

func amfLimits(l *Limits) []limit {
	return []limit{
		{&l.AMFDepth, between(minAMFDepth, maxAMFDepth)},
		{&l.AMFValues, between(minAMFValues, maxAMFValues)},
	}
}

// parseConnections reads a number of connections, or off, which is no bound.
func parseConnections(d *caddyfile.Dispenser, text string) (int, error) {
	if text == "off" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return 0, d.Errf("%q is neither a number of connections nor off", text)
	}
	return int(n), nil
}

func parseMessageSize(d *caddyfile.Dispenser, text string) (int, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n < minMessage || n > maxMessage {
		return 0, d.Errf("%q is no size of a message; write it like 64KiB, up to 16MiB", text)
	}
	return int(n), nil
}

func between(least, top int) func(*caddyfile.Dispenser, string) (int, error) {
	return func(d *caddyfile.Dispenser, text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > top {
			return 0, d.Errf("%q is no number from %d to %d", text, least, top)
		}
		return n, nil
	}
}
