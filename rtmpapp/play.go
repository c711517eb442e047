package rtmpapp

import (
	"context"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// play begins to watch a stream (RTMP 1.0, 7.2.2.1). What a player says of the start means nothing for a stream that is
// live only: most programs ask for a recording if they are not told better.
func (c *connection) play(cmd command) error {
	if cmd.stream > maxStreams {
		return c.wire.Write(onStatus(cmd.stream, "error", codePlayFailed, "this connection has no such message stream"))
	}
	if c.session() != nil {
		c.endSession(nil) // a play list goes on with its next entry
	}
	req := c.requestFor(cmd.text(0))
	view, err := viewFor(req.Query, c.caps)
	var ses *live.Session
	if err == nil {
		err = c.ask(func(ctx context.Context) (err error) {
			ses, err = c.server.Hub.Play(ctx, req, c.wait(req.Key))
			return err
		})
	}
	if err != nil {
		if c.ctx.Err() == nil {
			c.say(onStatus(cmd.stream, "error", playCode(err), describe(err)))
		}
		return err
	}
	c.player = &player{conn: c.wire, session: ses, view: view, stream: cmd.stream}
	if d := durationOf(cmd); d > 0 {
		c.player.until = time.Now().Add(d)
	}
	c.begin(ses, cmd.stream)
	c.setReadDeadline(0) // a viewer has nothing to say; a dead one fails to take what is written
	messages := []wire.Message{wire.UserControl(wire.EventStreamBegin, cmd.stream)}
	if resets(cmd) {
		messages = append(messages, onStatus(cmd.stream, "status", "NetStream.Play.Reset", "playing and resetting "+req.Key.URL()))
	}
	messages = append(messages,
		onStatus(cmd.stream, "status", "NetStream.Play.Start", "playing "+req.Key.URL()),
		wire.Data(cmd.stream, "|RtmpSampleAccess", true, true))
	if err := c.wire.Write(messages...); err != nil {
		return err
	}
	c.player.start()
	return nil
}

// wait returns how long a player waits for a publisher.
func (c *connection) wait(k live.Key) time.Duration {
	rules, err := c.server.Hub.Rules(k)
	if err != nil {
		return 0
	}
	return rules.Wait
}

// durationOf returns how long a player wants to play, in its play's third argument and in milliseconds; 0 means to the
// end. The single picture that a duration of 0 asks of a recording is not what players of live streams mean by it.
func durationOf(cmd command) time.Duration {
	if len(cmd.args) < 4 {
		return 0
	}
	ms, _ := cmd.args[3].(float64)
	if ms <= 0 || ms > float64(maxDuration/time.Millisecond) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// maxDuration is where a duration is as good as none.
const maxDuration = 365 * 24 * time.Hour

// resets tells whether a play is to begin a play list anew, which is what a play without its fourth argument does.
func resets(cmd command) bool {
	if len(cmd.args) < 5 {
		return true
	}
	keep, ok := cmd.args[4].(bool)
	return !ok || keep
}

// pause stops or resumes a player (7.2.2.8). What it misses is lost: it goes on at the newest key frame.
func (c *connection) pause(cmd command) error {
	on, ok := cmd.flag()
	if c.player == nil || !ok || on == c.player.paused {
		return nil
	}
	code, text := "NetStream.Unpause.Notify", "going on"
	if on {
		code, text = "NetStream.Pause.Notify", "paused"
	}
	return c.change(func(p *player) { p.paused = on }, onStatus(c.stream, "status", code, text))
}

// receiveAudio and receiveVideo leave a kind out, or let it come again (7.2.2.4, 7.2.2.5).
func (c *connection) receiveAudio(cmd command) error {
	return c.receive(cmd, func(p *player) *bool { return &p.withoutAudio })
}

func (c *connection) receiveVideo(cmd command) error {
	return c.receive(cmd, func(p *player) *bool { return &p.withoutVideo })
}

func (c *connection) receive(cmd command, without func(*player) *bool) error {
	on, ok := cmd.flag()
	if c.player == nil || !ok || on != *without(c.player) {
		return nil
	}
	change := func(p *player) { *without(p) = !on }
	if !on {
		return c.change(change)
	}
	return c.change(change, c.goingOn()...)
}

// seek goes on at the newest key frame, which is all there is of a live stream (7.2.2.7). A refusal would be right too, but
// ends ffmpeg.
func (c *connection) seek(command) error {
	if c.player == nil {
		return nil
	}
	return c.change(func(*player) {}, c.goingOn()...)
}

// goingOn tells a player that what follows begins anew.
func (c *connection) goingOn() []wire.Message {
	url := c.player.session.Key.URL()
	return []wire.Message{
		onStatus(c.stream, "status", "NetStream.Seek.Notify", "going on with the newest of "+url),
		onStatus(c.stream, "status", "NetStream.Play.Start", "playing "+url),
	}
}

// change stops the player, answers its command, and lets it play on as f has changed it.
func (c *connection) change(f func(*player), answer ...wire.Message) error {
	p := c.player
	p.stop()
	if err := p.session.Err(); err != nil {
		return err // it has ended in between, or a write of it has failed
	}
	if len(answer) > 0 {
		if err := c.wire.Write(answer...); err != nil {
			return err
		}
	}
	f(p)
	p.start()
	return nil
}

// flag returns the argument of a command that switches something.
func (cmd command) flag() (on, ok bool) {
	if len(cmd.args) < 2 {
		return false, false
	}
	on, ok = cmd.args[1].(bool)
	return on, ok
}
