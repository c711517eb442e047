package hls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// keyEnding is behind the ending of a variant's segments in the names of the keys that they are encrypted with.
const keyEnding = ".key"

// A locksmith encrypts segments: METHOD=AES-128 of RFC 8216bis, 4.4.4.4, which is the whole segment in CBC with PKCS #7
// padding. The initialization vector is the number of the segment, so that no two of a key have the same.
type locksmith struct {
	key  *resource
	uses int // of the key
}

// encrypt encrypts a segment that has its number, by a key for so many segments in a row.
func (l *locksmith) encrypt(s *segment, name func() string, each int) {
	if l.key == nil || l.uses >= each {
		secret := make([]byte, aes.BlockSize)
		_, _ = rand.Read(secret) // never fails
		l.key, l.uses = &resource{name: name(), body: inMemory(secret)}, 0
	}
	l.uses++
	s.key = l.key
	b := bytes.Join(s.body.pieces, nil)
	padding := aes.BlockSize - len(b)%aes.BlockSize
	b = append(b, bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, _ := aes.NewCipher(l.key.body.pieces[0]) // fails for other lengths only
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(s.number))
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(b, b)
	s.body = inMemory(b)
}
