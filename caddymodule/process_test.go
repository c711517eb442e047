package caddymodule_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// serveVariable makes the test binary a Caddy with the configuration that it holds.
const serveVariable = "CADDYMODULE_TEST_SERVE"

// serve runs a configuration until a signal ends the process.
func serve(config string) int {
	caddy.TrapSignals()
	if err := caddy.Load([]byte(config), true); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	select {}
}

// spawn starts a Caddy in a process of its own.
func (b *bed) spawn(text string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), os.Args[0])
	// What the race detector finds is Caddy's own, see makeCertificate; what is ours it finds in the other tests.
	cmd.Env = append(os.Environ(), serveVariable+"="+string(b.json(text)), "GORACE=exitcode=0 log_path="+b.log+".race")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.t.Fatalf("the server says %q, %v", line, err)
	}
	return cmd
}

// TestTerminate ends a Caddy by a signal, with viewers of each kind. Caddy waits for HTTP responses for ever unless it is
// told otherwise. The certificate is one of Caddy's authority, for RTMPS and for a site of the same name.
func TestTerminate(t *testing.T) {
	b := newBed(t)
	cmd := b.spawn(`{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP
		server 127.0.0.1:$RTMPS {
			tls localhost
		}
		shutdown_grace 8s
	}
}
http://localhost:$HTTP {
	rtmp_play
}
https://localhost:$HTTPS {
	rtmp_play
}
`)
	for _, port := range []string{b.rtmps, b.https} {
		eventually(t, "there is a certificate", func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+port, insecure)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
	if issuer := b.checkALPN().Issuer.CommonName; !strings.Contains(issuer, "Caddy Local Authority") {
		t.Errorf("the certificate is from %q", issuer)
	}
	p := publish(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo", 7)
	viewers := []*viewer{
		playRTMP(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo"),
		playRTMP(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo"),
		playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv"),
		playHTTP(t, "https://localhost:"+b.https+"/live/demo.flv"),
		playHTTP(t, "https://localhost:"+b.https+"/live/demo.ts"),
	}
	if playHLS(t, "https://localhost:"+b.https+"/live/demo.m3u8").newest() == "" {
		t.Error("no HLS")
	}
	for _, v := range viewers {
		eventually(t, v.name+" was given something", func() bool { return v.got.Load() > 0 })
	}
	begun := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server has ended with %v", err)
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, v := range viewers {
		eventually(t, v.name+" has ended", v.ended)
	}
	p.awaitEnd()
	if n := len(b.logged("server is shutting down")); n < 7 {
		t.Errorf("the log tells of %d ends, want all 7", n)
	}
}
