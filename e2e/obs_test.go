package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestOBS lets OBS Studio publish the film, which it encodes anew, to a screen that nobody sees.
func TestOBS(t *testing.T) {
	t.Parallel()
	s := serve(t, with(basic, "rtmp", `app guarded {
		publish {
			authenticate token {
				param key
				secret `+streamKey+`
			}
		}
	}`))
	x := startScreen(t)
	for name, try := range map[string]func(*server, *screen){
		"RTMP":      (*server).publishWithOBS,
		"RTMPS":     (*server).reconnectOBS,
		"wrong key": (*server).refuseOBS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(s.on(t), x)
		})
	}
}

// publishWithOBS publishes with a key in the stream's name, and ends as the user does.
func (s *server) publishWithOBS(x *screen) {
	o := s.startOBS(x, s.url("rtmp", "/guarded"), "key?key="+streamKey)
	o.await(s.t, "Streaming Start")
	s.awaitStream("key")
	film.resembles(s.t, s.url("rtmp", "/guarded/key"))
	o.stop(s.t)
	s.awaitLog(1, line{"msg": "publish ended", "stream": "key", "reason": "client left"})
}

// reconnectOBS cuts the connection of a publisher who verifies the certificate. OBS comes back by itself.
func (s *server) reconnectOBS(x *screen) {
	cable := relayTo(s.t, s.address(s.rtmps), "")
	_, port, _ := strings.Cut(cable.Addr().String(), ":")
	o := s.startOBS(x, "rtmps://localhost:"+port+"/live", "cut")
	o.await(s.t, "Streaming Start")
	s.awaitStream("cut")
	started := line{"msg": "publish started", "stream": "cut", "tls": true}
	s.awaitLog(1, started)
	cable.cut()
	o.await(s.t, "Reconnecting in")
	within(s.t, 3*patience, "OBS comes back", func() error {
		if len(s.log(started)) < 2 {
			return errors.Join(o.running(), errors.New("it does not"))
		}
		return nil
	})
	film.resembles(s.t, s.url("http", "/live/cut.flv"))
}

// refuseOBS publishes with a wrong key, and to a stream that is taken: OBS shows why.
func (s *server) refuseOBS(x *screen) {
	s.loop(s.url("rtmp", "/live/taken"), film.frames(s.t))
	for _, c := range []struct{ app, key, why string }{
		{"/guarded", "test?key=wrong", "the token in ?key= is wrong"},
		{"/live", "taken", "already has a publisher"},
	} {
		o := s.startOBS(x, s.url("rtmp", c.app), c.key)
		o.await(s.t, c.why)
		o.await(s.t, "Streaming Stop")
		o.kill()
	}
}

// A screen is an X server without hardware.
type screen struct {
	*process
	display string
}

func startScreen(t testing.TB) *screen {
	t.Helper()
	x := &screen{process: start(t, nil, "Xvfb", "-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp")}
	eventually(t, "there is a screen", func() error {
		for l := range strings.Lines(x.out.String()) {
			if n, err := strconv.Atoi(strings.TrimSpace(l)); err == nil {
				x.display = ":" + strconv.Itoa(n)
				return nil
			}
		}
		return errors.Join(x.running(), errors.New("it has no number"))
	})
	return x
}

// An obs is a running OBS Studio.
type obs struct {
	*process
	home string
}

// obsRate is how many pictures OBS draws in a second: few, since it has no hardware for it.
const obsRate = 10

// startOBS starts OBS, which begins to stream at once.
func (s *server) startOBS(x *screen, address, key string) *obs {
	s.t.Helper()
	o := &obs{home: s.t.TempDir()}
	for path, content := range o.settings(s.t, address, key) {
		path = filepath.Join(o.home, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			s.t.Fatal(err)
		}
	}
	env := append(s.trusting(), "DISPLAY="+x.display, "HOME="+o.home, "XDG_CONFIG_HOME="+o.home, "XDG_RUNTIME_DIR="+o.home,
		"QT_QPA_PLATFORM=xcb", "LIBGL_ALWAYS_SOFTWARE=1", "LANG=C.UTF-8",
		"https_proxy=http://127.0.0.1:9") // it must not look for updates
	o.process = start(s.t, env, "obs", "--startstreaming", "--minimize-to-tray", "--multi", "--disable-updater", "--unfiltered_log")
	return o
}

// settings are the files that OBS reads, by their paths in the home: a scene with the film, which loops, and the server.
func (o *obs) settings(t testing.TB, address, key string) map[string]string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	type object = map[string]any
	source := object{"id": "ffmpeg_source", "name": "film", "mixers": 255, "settings": object{"local_file": film.path, "looping": true}}
	scene := object{"id": "scene", "name": "scene", "settings": object{"items": []object{{"id": 1, "name": "film", "visible": true}}}}
	return map[string]string{
		"obs-studio/global.ini": "[General]\nFirstRun=true\n[Basic]\nProfile=test\nProfileDir=test\n" +
			"SceneCollection=test\nSceneCollectionFile=test\n",
		"obs-studio/basic/profiles/test/basic.ini": fmt.Sprintf("[General]\nName=test\n[Output]\nMode=Simple\nRetryDelay=1\n"+
			"[SimpleOutput]\nVBitrate=2500\nStreamEncoder=x264\nUseAdvanced=true\nPreset=ultrafast\nx264Settings=keyint=%d\n"+
			"[Video]\nBaseCX=%d\nBaseCY=%[3]d\nOutputCX=%[2]d\nOutputCY=%[3]d\nFPSType=1\nFPSInt=%[1]d\n"+
			"[Audio]\nSampleRate=%[4]d\n", obsRate, width, height, sampleRate),
		"obs-studio/basic/profiles/test/service.json": encode(object{
			"type": "rtmp_custom", "settings": object{"server": address, "key": key},
		}),
		"obs-studio/basic/scenes/test.json": encode(object{
			"name": "test", "current_scene": "scene", "current_program_scene": "scene",
			"sources": []object{source, scene}, "modules": object{"scripts-tool": []object{{"path": o.home + "/stop.lua"}}},
		}),
		"stop.lua": fmt.Sprintf(`
			function look()
				if io.open(%q) then
					obslua.obs_frontend_streaming_stop()
				end
			end
			function script_load() obslua.timer_add(look, 100) end`, o.stopFile()),
	}
}

func (o *obs) stopFile() string { return filepath.Join(o.home, "stop") }

// stop lets OBS end the stream.
func (o *obs) stop(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(o.stopFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.await(t, "Streaming Stop")
	o.kill()
}

// kill ends OBS.
func (o *obs) kill() {
	o.signal(syscall.SIGKILL)
	<-o.done
}

// await waits until OBS says something in its log. It draws without hardware, so all takes its time on a busy machine.
func (o *obs) await(t testing.TB, text string) {
	t.Helper()
	within(t, 3*patience, fmt.Sprintf("OBS says %q", text), func() error {
		if !strings.Contains(o.out.String(), text) {
			return errors.Join(o.running(), errors.New("it does not"))
		}
		return nil
	})
}
