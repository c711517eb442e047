package hls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"
)

// decrypt undoes what the RFC says of METHOD=AES-128.
func decrypt(t *testing.T, b, key []byte, number int) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil || len(b)%aes.BlockSize != 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	iv := make([]byte, 16)
	binary.BigEndian.PutUint64(iv[8:], uint64(number))
	out := make([]byte, len(b))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, b)
	padding := out[len(out)-1]
	if padding == 0 || padding > aes.BlockSize || !bytes.HasSuffix(out, bytes.Repeat([]byte{padding}, int(padding))) {
		t.Fatalf("padding %d", padding)
	}
	return out[:len(out)-int(padding)]
}

// Segments are encrypted with keys that change, which only viewers get, and whoever has the key reads them.
func TestEncrypt(t *testing.T) {
	for _, ts := range []bool{true, false} {
		inBubble(t, func(s *site) {
			s.config.TS, s.config.FMP4, s.config.KeyEvery = ts, !ts, 3
			s.publish(40)
			sleep(3 * time.Second)
			path := s.enter("")
			for range 10 {
				sleep(2 * time.Second)
				s.ok(path)
			}
			d := s.watch(path).look("")
			keys := map[string]int{}
			for _, seg := range d.segments {
				uri := folder + seg.key["URI"]
				keys[uri]++
				b := decrypt(t, s.ok(folder+seg.uri), s.ok(uri), seg.number)
				if ts && b[0] != 0x47 || !ts && string(b[4:8]) != "moof" {
					t.Errorf("%s is % x …", seg.uri, b[:16])
				}
				if !ts && string(s.ok(folder + seg.init)[4:8]) != "ftyp" {
					t.Error("the initialization section is not in clear")
				}
			}
			if len(keys) < 3 || len(keys) > 5 {
				t.Errorf("%d keys for %d segments", len(keys), len(d.segments))
			}
			w := s.get(folder + d.last().key["URI"])
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/octet-stream" {
				t.Errorf("a key comes with %v", w.Header())
			}
			name, _, _ := strings.Cut(d.last().key["URI"], "?")
			s.status(folder+name, http.StatusForbidden)
			s.status(folder+"abc-1.ts.key?hls_ctx=a.b", http.StatusForbidden)
			s.config.KeyEvery = 0
			s.ok(path)
			sleep(4 * time.Second)
			if d := s.watch(path).look(""); d.last().key["METHOD"] != "NONE" {
				t.Errorf("encrypted by %v", d.last().key)
			}
		})
	}
}
