package wire_test

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

func TestAMF0(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		b     string
	}{
		{"number", 5.0, "\x00\x40\x14\x00\x00\x00\x00\x00\x00"},
		{"true", true, "\x01\x01"},
		{"false", false, "\x01\x00"},
		{"string", "live", "\x02\x00\x04live"},
		{"empty string", "", "\x02\x00\x00"},
		{"longest short string", long(0xffff), "\x02\xff\xff" + long(0xffff)},
		{"long string", long(0x10000), "\x0c\x00\x01\x00\x00" + long(0x10000)},
		{"null", nil, "\x05"},
		{"object", wire.Object{{Key: "a", Value: true}, {Key: "b", Value: nil}}, "\x03\x00\x01a\x01\x01\x00\x01b\x05\x00\x00\x09"},
		{"empty object", wire.Object{}, "\x03\x00\x00\x09"},
		{"nested", wire.Object{{Key: "o", Value: wire.Object{{Key: "s", Value: "x"}}}, {Key: "p", Value: wire.Object{}}}, "\x03\x00\x01o\x03\x00\x01s\x02\x00\x01x\x00\x00\x09\x00\x01p\x03\x00\x00\x09\x00\x00\x09"},
		{"empty key", wire.Object{{Key: "", Value: true}}, "\x03\x00\x00\x01\x01\x00\x00\x09"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := wire.AppendAMF0([]byte("before"), c.value)
			equal(t, "written", string(b), "before"+c.b)
			got, err := wire.DecodeAMF0([]byte(c.b))
			isErr(t, "read", err, nil)
			if want := []any{c.value}; !reflect.DeepEqual(got, want) {
				t.Errorf("read: got %v, want %v", got, want)
			}
			cutAMF0(t, c.b)
		})
	}
}

// cutAMF0 decodes every beginning of a value, none of which is a value.
func cutAMF0(t *testing.T, b string) {
	t.Helper()
	step := max(1, len(b)/1000)
	for n := 1; n < len(b); n += step {
		if _, err := wire.DecodeAMF0([]byte(b[:n])); err == nil {
			t.Fatalf("cut at %d of %d: no error", n, len(b))
		}
	}
}

func TestAppendAMF0(t *testing.T) {
	equal(t, "int", string(wire.AppendAMF0(nil, 1)), string(wire.AppendAMF0(nil, 1.0)))
	equal(t, "uint32", string(wire.AppendAMF0(nil, uint32(1))), string(wire.AppendAMF0(nil, 1.0)))
	equal(t, "ECMA array", string(wire.AppendAMF0(nil, wire.ECMAArray{{Key: "a", Value: true}})), "\x08\x00\x00\x00\x01\x00\x01a\x01\x01\x00\x00\x09")
	equal(t, "several", string(wire.AppendAMF0(nil, nil, true)), "\x05\x01\x01")
	defer func() {
		if recover() == nil {
			t.Error("a type of no AMF0 value was written")
		}
	}()
	wire.AppendAMF0(nil, struct{}{})
}

// What is read but never written.
func TestDecodeAMF0(t *testing.T) {
	for _, c := range []struct {
		name string
		b    string
		want []any
	}{
		{"nothing", "", nil},
		{"undefined", "\x06", []any{nil}},
		{"unsupported", "\x0d", []any{nil}},
		{"boolean of 2", "\x01\x02", []any{true}},
		{"date", "\x0b\x40\x14\x00\x00\x00\x00\x00\x00\x00\x00", []any{5.0}},
		{"XML", "\x0f\x00\x00\x00\x04<a/>", []any{"<a/>"}},
		{"ECMA array", "\x08\x00\x00\x00\x01\x00\x01a\x01\x01\x00\x00\x09", []any{wire.Object{{Key: "a", Value: true}}}},
		{"ECMA array with a wrong count", "\x08\xff\xff\xff\xff\x00\x01a\x01\x01\x00\x00\x09", []any{wire.Object{{Key: "a", Value: true}}}},
		{"ECMA array of two objects", "\x08\x00\x00\x00\x02\x00\x01a\x03\x00\x00\x09\x00\x01b\x03\x00\x00\x09\x00\x00\x09", []any{wire.Object{{Key: "a", Value: wire.Object{}}, {Key: "b", Value: wire.Object{}}}}},
		{"typed object", "\x10\x00\x03com\x00\x01a\x05\x00\x00\x09", []any{wire.Object{{Key: "a"}}}},
		{"strict array", "\x0a\x00\x00\x00\x02\x05\x01\x01", []any{[]any{nil, true}}},
		{"empty strict array", "\x0a\x00\x00\x00\x00", []any{[]any{}}},
		{"several", "\x02\x00\x01a\x05\x01\x01", []any{"a", nil, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeAMF0([]byte(c.b))
			isErr(t, "error", err, nil)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	nan, _ := wire.DecodeAMF0([]byte("\x00\x7f\xf8\x00\x00\x00\x00\x00\x01"))
	if n, ok := nan[0].(float64); !ok || !math.IsNaN(n) {
		t.Errorf("not a number: %v", nan)
	}
}

func TestDecodeAMF0Refuses(t *testing.T) {
	// 40 bytes that ask for an array of 2^31 values: they have killed servers.
	bomb := "\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x0a\x7f\xff\xff\xff" + strings.Repeat("\x05", 16)
	equal(t, "the bomb", len(bomb), 40)
	deep := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	for _, c := range []struct {
		name  string
		b     string
		first int // values before
	}{
		{"strict array bomb", bomb, 2},
		{"strict array of 2^32-1", "\x0a\xff\xff\xff\xff", 0},
		{"nested arrays of 16 MiB", deep("\x0a\x00\x00\x00\x01", 16<<20), 0},
		{"nested objects of 16 MiB", deep("\x03\x00\x01a", 16<<20), 0},
		{"nested ECMA arrays of 16 MiB", deep("\x08\x00\x00\x00\x01\x00\x01a", 16<<20), 0},
		{"nested typed objects of 16 MiB", deep("\x10\x00\x01c\x00\x01a", 16<<20), 0},
		{"too many values", strings.Repeat("\x05", 8193), 8192},
		{"too many values in an array", "\x0a\x00\x00\x20\x00" + strings.Repeat("\x05", 8192), 0},
		{"too many properties", "\x03" + strings.Repeat("\x00\x01a\x05", 8192) + "\x00\x00\x09", 0},
		{"a long string of 4 GiB", "\x0c\xff\xff\xff\xffabc", 0},
		{"a string beyond the end", "\x02\x00\x04abc", 0},
		{"reference", "\x07\x00\x00", 0},
		{"AVM+", "\x11\x01", 0},
		{"movie clip", "\x04", 0},
		{"record set", "\x0e", 0},
		{"unknown marker", "\x05\xff", 1},
		{"object end alone", "\x09", 0},
		{"object without end", "\x03\x00\x01a\x05", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := []byte(c.b)
			var values []any
			var err error
			n := allocated(t, func() { values, err = wire.DecodeAMF0(b) })
			isErr(t, "error", err, wire.ErrAMF)
			equal(t, "values before", len(values), c.first)
			if n > 2<<20 {
				t.Errorf("it took %d bytes", n)
			}
		})
	}
	most := "\x0a\x00\x00\x1f\xff" + strings.Repeat("\x05", 8191)
	_, err := wire.DecodeAMF0([]byte(most))
	isErr(t, "as many values as may be", err, nil)
	_, err = wire.DecodeAMF0([]byte(strings.Repeat("\x0a\x00\x00\x00\x01", 16) + "\x05"))
	isErr(t, "as deep as may be", err, nil)
	_, err = wire.DecodeAMF0([]byte(strings.Repeat("\x0a\x00\x00\x00\x01", 17) + "\x05"))
	isErr(t, "deeper", err, wire.ErrAMF)
}

func TestObject(t *testing.T) {
	o := wire.Object{{Key: "app", Value: "live"}, {Key: "n", Value: 1.0}, {Key: "app", Value: "other"}}
	equal(t, "the first of a key", o.String("app"), "live")
	equal(t, "no string", o.String("n"), "")
	equal(t, "none", o.String("x"), "")
	equal(t, "number", o.Get("n"), any(1.0))
	equal(t, "nil", wire.Object(nil).Get("n"), nil)
}

func TestWithoutProperties(t *testing.T) {
	keep := wire.Property{Key: "width", Value: 64.0}
	duration := wire.Property{Key: "duration", Value: 10.0}
	frames := wire.Property{Key: "keyframes", Value: wire.Object{{Key: "duration", Value: 1.0}}}
	kept := wire.Property{Key: "nested", Value: wire.Object{{Key: "duration", Value: 1.0}}}
	body := func(values ...any) []byte { return wire.AppendAMF0(nil, append([]any{"onMetaData"}, values...)...) }
	for _, c := range []struct {
		name       string
		body, want []byte
	}{
		{"object", body(wire.Object{duration, keep, frames}), body(wire.Object{keep})},
		{"ECMA array", body(wire.ECMAArray{duration, keep, frames, kept}), body(wire.ECMAArray{keep, kept})},
		{"all", body(wire.ECMAArray{duration}), body(wire.ECMAArray{})},
		{"none", body(wire.ECMAArray{keep}), body(wire.ECMAArray{keep})},
		{"twice", body(wire.Object{duration, duration}), body(wire.Object{})},
		{"what follows stays", body(wire.Object{duration}, "x", 5), body(wire.Object{}, "x", 5)},
		{"a count that was too small", slices.Concat(body(), []byte("\x08\x00\x00\x00\x00\x00\x08duration\x05\x00\x00\x09")), slices.Concat(body(), []byte("\x08\x00\x00\x00\x00\x00\x00\x09"))},
		{"no object", body("duration"), body("duration")},
		{"nothing follows", body(), body()},
		{"empty", nil, nil},
		{"broken", body(wire.Object{duration})[:20], body(wire.Object{duration})[:20]},
		{"without end", body(wire.Object{keep, duration})[:44], body(wire.Object{keep, duration})[:44]},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytes.Clone(c.body)
			got := wire.WithoutProperties(c.body, "duration", "keyframes")
			equal(t, "body", string(got), string(c.want))
			equal(t, "what was given", string(c.body), string(before))
		})
	}
}
