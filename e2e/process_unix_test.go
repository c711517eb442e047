//go:build unix

package e2e

import (
	"os"
	"syscall"
)

// nobody returns who may run what refuses to run as root: the user nobody if we are root, else ourselves.
func nobody() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	const id = 65534
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

// freeze lets a process do nothing until it is thawed.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }

func (p *process) thaw() { p.signal(syscall.SIGCONT) }
