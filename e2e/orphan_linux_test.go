package e2e

import (
	"os/exec"
	"syscall"
)

// dieWithUs lets a program that is to be started end when the tests do, even if those are killed: players that go on would
// fill the disk with what they see.
func dieWithUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
