package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestPortInUse starts on ports that another program has: caddy ends, says which, and leaves the others alone.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{"RTMP_PORT", "RTMPS_PORT", "HTTP_PORT"} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			port := strconv.Itoa(occupy(t))
			s := newServer(t, basic)
			s.env = append(s.env, variable+"="+port)
			p := start(t, s.env, caddyBin, "run", "--config", s.config, "--adapter", "caddyfile")
			if err := p.wait(t, patience); err == nil {
				t.Error("caddy ended with 0")
			}
			if said := p.out.String(); !strings.Contains(said, ":"+port) || !strings.Contains(said, "address already in use") {
				t.Errorf("it does not say that :%s is in use", port)
			}
		})
	}
}

// TestBadCaddyfiles lets every command that reads a Caddyfile read bad ones: each must name the line and say why.
func TestBadCaddyfiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, text, why string }{
		{"bad duration", in("rtmp", "\t\tshutdown_grace 5 seconds"), "shutdown_grace", "wrong argument count"},
		{"no duration", in("rtmp", "\t\tshutdown_grace soon"), "soon", `"soon" is no duration`},
		{"negative duration", in("app live", "\t\t\twait -1s"), "-1s", `"-1s" is no duration`},
		{"duration in hls", strings.Replace(basic, "segment 1s", "segment 1sec", 1), "1sec", `"1sec" is no duration`},
		{"bad size", in("app live", "\t\t\tgop_cache 10s big"), "big", `"big" is no size`},
		{"bad latency", in("app live", "\t\t\tlatency tiny"), "tiny", `"tiny"`},
		{"unknown rtmp option", in("rtmp", "\t\tshutdown 5s"), "shutdown 5s", `unknown rtmp option "shutdown"`},
		{"unknown app option", in("app live", "\t\t\tcolour red"), "colour", `unknown app option "colour"`},
		{"unknown hls option", in("hls", "\t\t\t\tparts 3"), "parts", `unknown hls option "parts"`},
		{"unknown server option", in("server :{$RTMPS_PORT}", "\t\t\tcipher none"), "cipher", `unknown server option "cipher"`},
		{"unknown rule", in("app live", "\t\t\tpublish {\n\t\t\t\tpermit all\n\t\t\t}"), "permit", `unknown publish option "permit"`},
		{"unknown authenticator", in("app live", "\t\t\tpublish {\n\t\t\t\tauthenticate magic\n\t\t\t}"), "magic", "rtmp.authenticators.magic"},
		{"bad range", in("app live", "\t\t\tplay {\n\t\t\t\tallow 10.0.0.0/40\n\t\t\t}"), "10.0.0.0/40", `"10.0.0.0/40"`},
		{"app twice", in("rtmp", "\t\tapp live {\n\t\t}"), "app live {\n\t\t\thls", `"live" is configured already`},
		{"surplus argument", in("rtmp", "\t\tapp a b"), "app a b", "wrong argument count"},
		{"unknown play option", with(basic, "https://localhost", "\trtmp_flv /x/* {\n\t\tapps live\n\t}"), "apps live", "apps"},
		{"api without auth", with(basic, "http://localhost", "\trtmp_api /api/*"), "rtmp_api", "rtmp_api needs an auth"},
		{"unknown auth", strings.Replace(basic, "auth loopback", "auth anybody", 1), "anybody", `unknown auth "anybody"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.config)
			where := fmt.Sprintf("%s:%s", s.config, lineOf(c.config, c.text))
			for _, command := range []string{"adapt", "validate", "run"} {
				said, err := s.caddy(command, "--config", s.config, "--adapter", "caddyfile")
				said = strings.ReplaceAll(said, `\"`, `"`) // it may be in a log line
				if err == nil || !strings.Contains(said, where) || !strings.Contains(said, c.why) {
					t.Errorf("caddy %s should name line %s and say %q: %v\n%s", command, where, c.why, err, said)
				}
			}
		})
	}
}

// TestValidate accepts what is good without listening on anything.
func TestValidate(t *testing.T) {
	t.Parallel()
	s := newServer(t, basic)
	port := occupy(t)
	s.env = append(s.env, "RTMP_PORT="+strconv.Itoa(port))
	for _, command := range []string{"adapt", "validate"} {
		if said, err := s.caddy(command, "--config", s.config, "--adapter", "caddyfile"); err != nil {
			t.Errorf("caddy %s: %v\n%s", command, err, said)
		}
	}
}
