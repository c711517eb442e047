package caddyrtmp_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies: what only some users want is built in only where they ask for it.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "./cmd/caddy").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for pkg := range strings.Lines(string(out)) {
		for _, optional := range []string{"github.com/mholt/caddy-l4", "github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4"} {
			if strings.HasPrefix(pkg, optional) {
				t.Errorf("the plugin depends on %s", pkg)
			}
		}
	}
}
