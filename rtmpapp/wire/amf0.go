package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// AMF0 markers (AMF 0 Specification, 2.1).
const (
	amfNumber      = 0
	amfBoolean     = 1
	amfString      = 2
	amfObject      = 3
	amfNull        = 5
	amfUndefined   = 6
	amfReference   = 7
	amfECMAArray   = 8
	amfObjectEnd   = 9
	amfStrictArray = 10
	amfDate        = 11
	amfLongString  = 12
	amfUnsupported = 13
	amfXML         = 15
	amfTypedObject = 16
	amfAVMPlus     = 17
)

// ErrAMF is returned, wrapped, for values that are broken or beyond the bounds.
var ErrAMF = errors.New("broken AMF0")

// An Object holds the properties of an AMF0 object or ECMA array in their order.
type Object []Property

// A Property is one of an Object's.
type Property struct {
	Key   string
	Value any
}

// ECMAArray is an Object that is written as an ECMA array. It is read as an Object.
type ECMAArray Object

// Get returns the value of a key, or nil.
func (o Object) Get(key string) any {
	for _, p := range o {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// String returns the value of a key if it is a string, else "".
func (o Object) String(key string) string {
	s, _ := o.Get(key).(string)
	return s
}

// DecodeAMF0 returns the values in b: float64, bool, string, nil (for null, undefined and unsupported), Object and []any.
// Dates are numbers, XML is a string. Reference and AVM+ values are errors, as is what goes beyond the default Limits; the
// values before it are returned too.
func DecodeAMF0(b []byte) ([]any, error) { return Limits{}.DecodeAMF0(b) }

// DecodeAMF0 is the function of that name with these limits.
func (l Limits) DecodeAMF0(b []byte) ([]any, error) {
	d := newAMFDecoder(b, l)
	var values []any
	for d.pos < len(b) {
		v, err := d.value(0)
		if err != nil {
			return values, err
		}
		values = append(values, v)
	}
	return values, nil
}

type amfDecoder struct {
	b      []byte
	pos    int
	limits Limits
	values int // decoded so far
}

func newAMFDecoder(b []byte, limits Limits) *amfDecoder {
	return &amfDecoder{b: b, limits: limits.withDefaults()}
}

func (d *amfDecoder) fail(format string, args ...any) error {
	return fmt.Errorf("%w at byte %d: %s", ErrAMF, d.pos, fmt.Sprintf(format, args...))
}

func (d *amfDecoder) take(n int) ([]byte, error) {
	if n > len(d.b)-d.pos {
		return nil, d.fail("%d bytes are missing", n-(len(d.b)-d.pos))
	}
	b := d.b[d.pos : d.pos+n]
	d.pos += n
	return b, nil
}

func (d *amfDecoder) value(depth int) (any, error) {
	if depth > d.limits.AMFDepth {
		return nil, d.fail("nested deeper than %d", d.limits.AMFDepth)
	}
	if d.values++; d.values > d.limits.AMFValues {
		return nil, d.fail("more than %d values", d.limits.AMFValues)
	}
	marker, err := d.take(1)
	if err != nil {
		return nil, err
	}
	switch marker[0] {
	case amfNumber:
		return d.number()
	case amfBoolean:
		b, err := d.take(1)
		return err == nil && b[0] != 0, err
	case amfString:
		return d.string()
	case amfNull, amfUndefined, amfUnsupported:
		return nil, nil
	case amfObject, amfECMAArray, amfTypedObject:
		if err := d.objectHead(marker[0]); err != nil {
			return nil, err
		}
		return d.object(depth)
	case amfStrictArray:
		return d.array(depth)
	case amfDate:
		v, err := d.number()
		if err == nil {
			_, err = d.take(2) // time zone, reserved
		}
		return v, err
	case amfLongString, amfXML:
		return d.longString()
	}
	return nil, d.fail("marker %d", marker[0])
}

func (d *amfDecoder) number() (any, error) {
	b, err := d.take(8)
	if err != nil {
		return nil, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (d *amfDecoder) string() (string, error) {
	b, err := d.take(2)
	if err != nil {
		return "", err
	}
	b, err = d.take(int(binary.BigEndian.Uint16(b)))
	return string(b), err
}

func (d *amfDecoder) longString() (any, error) {
	b, err := d.take(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(d.b)) {
		return nil, d.fail("string of %d bytes", n)
	}
	b, err = d.take(int(n))
	return string(b), err
}

// objectHead reads what stands before the properties. The count of an ECMA array is a hint at best: its properties end
// with an object end like an object's.
func (d *amfDecoder) objectHead(marker byte) (err error) {
	switch marker {
	case amfECMAArray:
		_, err = d.take(4)
	case amfTypedObject:
		_, err = d.string()
	}
	return err
}

func (d *amfDecoder) object(depth int) (any, error) {
	o := Object{}
	for {
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if key == "" && d.pos < len(d.b) && d.b[d.pos] == amfObjectEnd {
			d.pos++
			return o, nil
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o = append(o, Property{key, v})
	}
}

func (d *amfDecoder) array(depth int) (any, error) {
	b, err := d.take(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(d.b)-d.pos) {
		return nil, d.fail("array of %d values in %d bytes", n, len(d.b)-d.pos)
	}
	a := []any{}
	for range n {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}

// AppendAMF0 appends values to b: numbers (float64, int, uint32), bool, string, nil, []any, Object and ECMAArray. It panics for
// any other type, since what we send is ours.
func AppendAMF0(b []byte, values ...any) []byte {
	for _, v := range values {
		b = appendValue(b, v)
	}
	return b
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, amfNull)
	case bool:
		if v {
			return append(b, amfBoolean, 1)
		}
		return append(b, amfBoolean, 0)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, amfNumber), math.Float64bits(v))
	case int:
		return appendValue(b, float64(v))
	case uint32:
		return appendValue(b, float64(v))
	case string:
		if len(v) > math.MaxUint16 {
			return append(binary.BigEndian.AppendUint32(append(b, amfLongString), uint32(len(v))), v...)
		}
		return appendString(append(b, amfString), v)
	case Object:
		return appendProperties(append(b, amfObject), v)
	case []any:
		b = binary.BigEndian.AppendUint32(append(b, amfStrictArray), uint32(len(v)))
		return AppendAMF0(b, v...)
	case ECMAArray:
		b = binary.BigEndian.AppendUint32(append(b, amfECMAArray), uint32(len(v)))
		return appendProperties(b, Object(v))
	}
	panic(fmt.Sprintf("wire: AppendAMF0 of a %T", v))
}

func appendProperties(b []byte, o Object) []byte {
	for _, p := range o {
		b = appendValue(appendString(b, p.Key), p.Value)
	}
	return append(b, 0, 0, amfObjectEnd)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// objectMarkers are those of what has properties.
var objectMarkers = []byte{amfObject, amfECMAArray, amfTypedObject}

// WithoutProperties returns a data message's body, an AMF0 string and an object or ECMA array, without the named
// properties of the object. All other bytes stay as they are. What cannot be read is returned unchanged.
func WithoutProperties(body []byte, names ...string) []byte {
	d := newAMFDecoder(body, Limits{})
	if _, err := d.value(0); err != nil {
		return body
	}
	marker, err := d.take(1)
	if err != nil || !slices.Contains(objectMarkers, marker[0]) {
		return body
	}
	count := d.pos
	if d.objectHead(marker[0]) != nil {
		return body
	}
	out := append(make([]byte, 0, len(body)), body[:d.pos]...)
	dropped := uint32(0)
	for {
		start := d.pos
		key, err := d.string()
		if err != nil {
			return body
		}
		if key == "" && d.pos < len(body) && body[d.pos] == amfObjectEnd {
			out = append(out, body[start:]...)
			break
		}
		if _, err := d.value(1); err != nil {
			return body
		}
		if slices.Contains(names, key) {
			dropped++
			continue
		}
		out = append(out, body[start:d.pos]...)
	}
	if marker[0] == amfECMAArray {
		n := binary.BigEndian.Uint32(out[count:])
		binary.BigEndian.PutUint32(out[count:], n-min(n, dropped))
	}
	return out
}
