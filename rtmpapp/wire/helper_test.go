package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// basic returns a basic header in the shortest form that the id has.
func basic(format byte, id int) []byte {
	switch {
	case id < 64:
		return []byte{format<<6 | byte(id)}
	case id < 320:
		return []byte{format << 6, byte(id - 64)}
	}
	return []byte{format<<6 | 1, byte(id - 64), byte((id - 64) >> 8)}
}

func be24(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// type0 to type3 return chunks. Times from 0xffffff on are written extended.
func type0(id int, time uint32, length int, msgType byte, stream uint32, payload string) []byte {
	field, ext := timeField(time)
	return slices.Concat(basic(0, id), field, be24(length), []byte{msgType}, binary.LittleEndian.AppendUint32(nil, stream),
		ext, []byte(payload))
}

func type1(id int, delta uint32, length int, msgType byte, payload string) []byte {
	field, ext := timeField(delta)
	return slices.Concat(basic(1, id), field, be24(length), []byte{msgType}, ext, []byte(payload))
}

func type2(id int, delta uint32, payload string) []byte {
	field, ext := timeField(delta)
	return slices.Concat(basic(2, id), field, ext, []byte(payload))
}

func type3(id int, payload string) []byte { return append(basic(3, id), payload...) }

// type3x is a chunk of type 3 with an extended time stamp.
func type3x(id int, time uint32, payload string) []byte {
	return slices.Concat(basic(3, id), be32(time), []byte(payload))
}

func timeField(time uint32) (field, ext []byte) {
	if time < 0xffffff {
		return be24(int(time)), nil
	}
	return be24(0xffffff), be32(time)
}

func setChunkSize(n uint32) []byte { return type0(2, 0, 4, wire.TypeSetChunkSize, 0, string(be32(n))) }

func abort(id uint32) []byte { return type0(2, 0, 4, wire.TypeAbort, 0, string(be32(id))) }

// describe renders a message as type/stream@time:body, with the body's length for a long one.
func describe(m wire.Message) string {
	body := string(m.Body)
	if len(body) > 12 {
		body = fmt.Sprintf("<%d>", len(body))
	}
	return fmt.Sprintf("%d/%d@%d:%s", m.Type, m.Stream, m.Time, body)
}

// read returns the messages in b but for those about the chunks themselves, described, and the error at the end.
func read(b []byte, limits wire.Limits) (string, error) {
	r := wire.NewChunkReader(bytes.NewReader(b), limits)
	var list []string
	for {
		m, err := r.ReadMessage()
		if err != nil {
			return strings.Join(list, " "), err
		}
		if m.Type != wire.TypeSetChunkSize && m.Type != wire.TypeAbort {
			list = append(list, describe(m))
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func isErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}
