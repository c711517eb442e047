package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A relay forwards connections to the server, behind a few bytes of its own, and keeps what comes back. It can be cut, or
// go on without forwarding, as a cable that is pulled out.
type relay struct {
	net.Listener
	source  string
	answers tape

	mu      sync.Mutex
	conns   []net.Conn
	forward chan struct{} // closed while it forwards
}

// relayTo listens on a port and forwards to another. What preface says is sent first.
func relayTo(t testing.TB, address, preface string) *relay {
	t.Helper()
	return relayFrom(t, "127.0.0.1", address, preface)
}

// relayFrom is relayTo from another address of this machine.
func relayFrom(t testing.TB, source, address, preface string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: ln, source: source, forward: make(chan struct{})}
	close(r.forward)
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { r.join(conn, address, preface) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		r.cut()
		busy.Wait()
	})
	return r
}

// join copies both ways until both sides have closed theirs.
func (r *relay) join(from net.Conn, address, preface string) {
	defer from.Close()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(r.source)}}
	to, err := dialer.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	r.mu.Lock()
	r.conns = append(r.conns, from, to)
	r.mu.Unlock()
	if _, err := io.WriteString(to, preface); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(to, r.through(from)) // the other direction tells
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(io.MultiWriter(from, &r.answers), r.through(to))
	from.Close()
	up.Wait()
}

// cut closes all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		conn.Close()
	}
	r.conns = nil
	r.open()
}

// hold forwards nothing any more until the connections are cut, which nobody is told.
func (r *relay) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forward = make(chan struct{})
	for _, conn := range r.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10) // so that little is taken that goes nowhere
		}
	}
}

// open forwards again. The mutex is held.
func (r *relay) open() {
	select {
	case <-r.forward:
	default:
		close(r.forward)
	}
}

// through reads from a side of the relay, and what it has read waits while the relay is held.
func (r *relay) through(conn net.Conn) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		n, err := conn.Read(b)
		r.mu.Lock()
		forward := r.forward
		r.mu.Unlock()
		<-forward
		return n, err
	})
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// proxied returns the preface of a proxy that forwards for a client of another address.
func proxied(client string) string { return "PROXY TCP4 " + client + " 127.0.0.1 40000 1935\r\n" }
