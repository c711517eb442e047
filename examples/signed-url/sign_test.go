package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// golden are the arguments of the programs and what they print, as package hooks has it in ExampleSignature.
var golden = []struct {
	args []string
	want string
}{
	{
		[]string{"play", "/live/cam1", "1767225600"},
		"exp=1767225600&sig=78e7772df2c81f117ae83d6694b6b1da76f96a1451becb11a395d3d14f95d623",
	},
	{
		[]string{"publish", "/live/Käse 1", "1767225600", "2001:db8::7"},
		"exp=1767225600&sig=db9ee11345e6b658f3c4ac4b24f23d739cd39c27defcd99c91270d6243cfa67a",
	},
}

const secret = "s3cr3t"

func TestSign(t *testing.T) {
	for _, g := range golden {
		args := slices.Concat(g.args, []string{""})
		if got := sign(secret, args[0], args[1], args[2], args[3]); got != g.want {
			t.Errorf("%q: %s, want %s", g.args, got, g.want)
		}
	}
}

// TestOtherLanguages runs the programs in Python and JavaScript, whose interpreters test.sh installs.
func TestOtherLanguages(t *testing.T) {
	for interpreter, program := range map[string]string{"python3": "sign.py", "node": "sign.js"} {
		t.Run(program, func(t *testing.T) {
			path, err := exec.LookPath(interpreter)
			if err != nil {
				t.Fatalf("%s is needed: %v", interpreter, err)
			}
			for _, g := range golden {
				cmd := exec.CommandContext(t.Context(), path, append([]string{program}, g.args...)...)
				cmd.Env = append(os.Environ(), "SIGNING_SECRET="+secret)
				out, err := cmd.CombinedOutput()
				if got := strings.TrimSpace(string(out)); err != nil || got != g.want {
					t.Errorf("%q: %s, %v, want %s", g.args, got, err, g.want)
				}
			}
		})
	}
}
