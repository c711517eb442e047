//go:build !unix

package e2e

import "syscall"

// nobody returns nil: what refuses to run as root has none here.
func nobody() *syscall.SysProcAttr { return nil }

// freeze panics: a process cannot be told to do nothing here.
func (p *process) freeze() { panic("no SIGSTOP") }

func (p *process) thaw() { panic("no SIGCONT") }
