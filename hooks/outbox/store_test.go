package outbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// copyFiles copies an outbox as the death of its process would leave it.
func copyFiles(t testing.TB, path string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", ".log0", ".log1"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func events(infos []outbox.Info) (all []string) {
	for _, i := range infos {
		all = append(all, i.Stream+" "+i.Event)
	}
	return all
}

// Also tests that need no clock run with synctest's, by which no write is ever slow.

// TestSurvival looks at what is on disk at each moment.
func TestSurvival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t)
		o := open(t, outbox.Options{Path: path})
		defer finish(t, o)
		survives := func(what string, want ...string) {
			t.Helper()
			again := open(t, outbox.Options{Path: copyFiles(t, path)})
			same(t, what, events(again.Pending()), want)
			finish(t, again)
		}
		survives("nothing")
		put(t, o, to("a", "x", "1"), to("a", "x", "2"))
		survives("at once", "x 1", "x 2")
		time.Sleep(2 * time.Second)
		survives("after a commit", "x 1", "x 2")
		put(t, o, to("a", "x", "3"))
		survives("between", "x 1", "x 2", "x 3")
		time.Sleep(2 * time.Second)
		survives("after the second commit", "x 1", "x 2", "x 3")
		o.SetTargets(map[string]outbox.Sender{"a": new(sink)})
		synctest.Wait()
		put(t, o, to("b", "x", "4"))
		survives("delivered", "x 4")
		time.Sleep(time.Hour)
		survives("long after", "x 4")
		for _, suffix := range []string{".log0", ".log1"} {
			info, err := os.Stat(path + suffix)
			if err != nil || info.Size() > 4<<10 {
				t.Errorf("%s has %d bytes, %v", suffix, info.Size(), err)
			}
		}
	})
}

// TestJournal kills a server with sessions of each kind.
func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t)
		o := open(t, outbox.Options{Path: path})
		end := func(stream, event string, life time.Duration) outbox.Delivery {
			d := to("a", stream, event)
			d.Created = time.Now()
			d.Expires = d.Created.Add(life)
			d.End = true
			return d
		}
		begin := func(session string, ends ...outbox.Delivery) {
			t.Helper()
			if err := o.Begin(session, ends...); err != nil {
				t.Fatal(err)
			}
		}
		begin("z", end("x", "unpublish", time.Hour))
		begin("refused", end("x", "refused", time.Hour))
		begin("done", end("x", "done", time.Hour))
		begin("a", end("x", "stop", time.Hour), end("", "close", time.Hour))
		begin("renamed", end("x", "by its old name", time.Hour))
		begin("renamed", end("y", "by its new name", time.Hour))
		if err := errors.Join(o.End("refused"), o.End("done", end("x", "done indeed", time.Hour)), o.End("unknown", to("a", "x", "late"))); err != nil {
			t.Error(err)
		}
		crashed := copyFiles(t, path)
		finish(t, o) // which is no end of these sessions either: nobody has told it
		time.Sleep(48 * time.Hour)

		want := []string{"x done indeed", "x late", "x unpublish", "x stop", " close", "y by its new name"}
		var log logbook
		for range 2 {
			o = open(t, outbox.Options{Path: crashed, Logger: log.logger})
			pending := o.Pending()
			same(t, "after the crash", events(pending), want)
			if d := pending[2]; !d.Created.Equal(time.Now()) || d.Expires.Sub(d.Created) != time.Hour || !d.End {
				t.Errorf("the end of a lost session: %+v", d)
			}
			crashed = copyFiles(t, crashed)
			finish(t, o)
		}
		if n := strings.Count(log.String(), "sessions had no end"); n != 1 {
			t.Errorf("they are ended %d times", n)
		}

		s := new(sink)
		o = open(t, outbox.Options{Path: crashed})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		if err := o.Drain(t.Context(), "a", "x", "new"); err != nil {
			t.Error(err)
		}
		for _, d := range s.got {
			if d.Event == "unpublish" {
				return
			}
		}
		t.Error("a question would come before the end of what was")
	})
}

// TestDamage cuts and changes the files at random. The server starts whatever it finds, with what can still be read.
func TestDamage(t *testing.T) { synctest.Test(t, testDamage) }

func testDamage(t *testing.T) {
	path := file(t)
	o := open(t, outbox.Options{Path: path})
	for i := range 300 {
		put(t, o, to("a", fmt.Sprint(i%5), fmt.Sprint(i)))
	}
	finish(t, o)
	for seed := range uint64(40) {
		chance := rand.New(rand.NewPCG(seed, 0))
		damaged := copyFiles(t, path)
		content, err := os.ReadFile(damaged)
		if err != nil {
			t.Fatal(err)
		}
		switch seed % 4 {
		case 0:
			content = content[:chance.IntN(len(content))]
		case 1:
			page := chance.IntN(len(content)/4096) * 4096
			clear(content[page : page+4096])
		case 2:
			for range 20 {
				content[chance.IntN(len(content))] ^= byte(1 + chance.IntN(255))
			}
		case 3:
			page := chance.IntN(len(content)/4096) * 4096
			for i := range 64 {
				content[page+i] = byte(chance.IntN(256))
			}
		}
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var log logbook
		o, err := outbox.Open(outbox.Options{Path: damaged, Logger: log.logger})
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		n := len(o.Pending())
		aside, _ := filepath.Glob(damaged + ".corrupt-*")
		if n < 300 && len(content) > 0 && len(aside) == 0 && !strings.Contains(log.String(), "cannot be read") {
			t.Errorf("seed %d: %d are left and nothing is said: %s", seed, n, log.String())
		}
		if len(aside) > 0 != strings.Contains(log.String(), "was damaged") {
			t.Errorf("seed %d: moved to %q, the log says %s", seed, aside, log.String())
		}
		put(t, o, to("a", "x", "new"))
		finish(t, o)
		o = open(t, outbox.Options{Path: damaged})
		if len(o.Pending()) != n+1 {
			t.Errorf("seed %d: %d pending after a restart, there were %d", seed, len(o.Pending()), n+1)
		}
		finish(t, o)
	}
}

// TestTornLog cuts the log of a dead process at every byte of its last record.
func TestTornLog(t *testing.T) { synctest.Test(t, testTornLog) }

func testTornLog(t *testing.T) {
	path := file(t)
	o := open(t, outbox.Options{Path: path})
	defer finish(t, o)
	put(t, o, to("a", "x", "1"))
	before := copyFiles(t, path)
	put(t, o, to("a", "x", "2"), to("a", "x", "3"))
	after := copyFiles(t, path)
	for _, suffix := range []string{".log0", ".log1"} {
		whole, err := os.ReadFile(after + suffix)
		if err != nil {
			t.Fatal(err)
		}
		start, err := os.ReadFile(before + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(whole, start) {
			return // the store has begun with the other log meanwhile
		}
		for size := len(start); size < len(whole); size += 7 {
			cut := copyFiles(t, after)
			if err := os.WriteFile(cut+suffix, whole[:size], 0o600); err != nil {
				t.Fatal(err)
			}
			again := open(t, outbox.Options{Path: cut})
			same(t, fmt.Sprintf("%s cut at %d", suffix, size), events(again.Pending()), []string{"x 1"})
			finish(t, again)
		}
	}
}

func TestSecondProcess(t *testing.T) { synctest.Test(t, testSecondProcess) }

func testSecondProcess(t *testing.T) {
	path := file(t)
	o := open(t, outbox.Options{Path: path})
	defer finish(t, o)
	_, err := outbox.Open(outbox.Options{Path: path})
	if err == nil || !strings.Contains(err.Error(), "XDG_DATA_HOME") || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := outbox.Open(outbox.Options{Path: filepath.Join(path, "below", "a", "file")}); err == nil {
		t.Error("opened below a file")
	}
}

// TestCompact has a large backlog go, and the file with it at the next start.
func TestCompact(t *testing.T) { synctest.Test(t, testCompact) }

func testCompact(t *testing.T) {
	path := file(t)
	o := open(t, outbox.Options{Path: path})
	for range 40 {
		d := to("a", "x", "hls")
		d.Body = make([]byte, 600<<10)
		put(t, o, d)
	}
	put(t, o, to("b", "x", "1"))
	finish(t, o)
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	large := size()
	o = open(t, outbox.Options{Path: path})
	o.SetTargets(map[string]outbox.Sender{"a": new(sink)})
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
	o = open(t, outbox.Options{Path: path})
	same(t, "pending", events(o.Pending()), []string{"x 1"})
	if now := size(); large < 16<<20 || now > large/10 {
		t.Errorf("the file had %d bytes and has %d", large, now)
	}
	put(t, o, to("b", "x", "2"))
	finish(t, o)
	o = open(t, outbox.Options{Path: path})
	same(t, "pending", events(o.Pending()), []string{"x 1", "x 2"})
	finish(t, o)
}
