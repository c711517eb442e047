package l4_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/mholt/caddy-l4"
	"github.com/mholt/caddy-l4/layer4"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4"
)

// update writes what the adapter makes of the Caddyfiles into testdata. Read the difference before you commit it.
var update = flag.Bool("update", false, "rewrite testdata/*.caddyfiletest")

func adapt(text string) (result []byte, warnings []caddyconfig.Warning, err error) {
	return caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
}

// TestAdapt compares the JSON of each Caddyfile in testdata with the one that it is to give.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no Caddyfiles: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const separator = "----------\n"
			text, want, _ := strings.Cut(strings.ReplaceAll(string(content), "\r\n", "\n"), separator)
			result, warnings, err := adapt(text)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("adapt: %v, %v", err, warnings)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, result, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(text+separator+got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

// TestAdaptErrors checks that each mistake is refused with its file, its line and a hint.
func TestAdaptErrors(t *testing.T) {
	for name, test := range map[string]struct{ text, line, hint string }{
		"argument of the matcher": {"{\nlayer4 {\n:1935 {\n@a rtmp live\n}\n}\n}\n", "4", "wrong argument count"},
		"option of the matcher":   {"{\nlayer4 {\n:1935 {\n@a rtmp {\napp live\n}\n}\n}\n}\n", "5", `unknown rtmp option "app": it has none`},
		"argument of the handler": {"{\nlayer4 {\n:1935 {\nroute {\nrtmp live\n}\n}\n}\n}\n", "5", "wrong argument count"},
		"option of the handler":   {"{\nlayer4 {\n:1935 {\nroute {\nrtmp {\napp live\n}\n}\n}\n}\n}\n", "6", `unknown rtmp option "app": it has none`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := adapt(test.text)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), test.hint) || !strings.Contains(err.Error(), "Caddyfile:"+test.line) {
				t.Errorf("%v; want Caddyfile:%s and %q", err, test.line, test.hint)
			}
		})
	}
}

// TestDatagrams: a connection of UDP is refused with what to do about it.
func TestDatagrams(t *testing.T) {
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = new(l4.Handler).Handle(layer4.WrapConnection(conn, nil, zap.NewNop()), nil)
	if err == nil || errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "remove the rtmp handler") {
		t.Errorf("%v, want a refusal", err)
	}
}
