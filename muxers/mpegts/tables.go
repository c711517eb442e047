package mpegts

import "encoding/binary"

// The packet identifiers. The tables' and the tracks' have continuity counters side by side.
const (
	pidPAT   = 0x0000
	firstPID = 0x0100
	pidVideo = 0x0100
	pidAudio = 0x0101
	pidPMT   = 0x1000

	counterPAT = 2
	counterPMT = 3
	pids       = 4
)

const tablesBytes = 2 * packetBytes

// tables are the packets of PAT and PMT, made anew whenever the program changes.
type tables struct {
	packets [tablesBytes]byte
	types   [2]byte // the stream types of video and audio, 0 for none
	version byte
	made    bool
}

// describe makes the tables for a program of the given tracks, either of which may be nil. It tells whether they say
// something new.
func (t *tables) describe(video, audio *track) bool {
	var types [2]byte
	if video != nil {
		types[0] = video.streamType
	}
	if audio != nil {
		types[1] = audio.streamType
	}
	if t.made && types == t.types {
		return false
	}
	if t.made {
		t.version = (t.version + 1) & 0x1f
	}
	t.types, t.made = types, true
	section(t.packets[:packetBytes], pidPAT, 0x00, 1, 0, []byte{0, 1, 0xe0 | pidPMT>>8, pidPMT & 0xff})
	section(t.packets[packetBytes:], pidPMT, 0x02, 1, t.version, t.program())
	return true
}

// registrations are the descriptors of stream types that others than ISO have given out (ISO/IEC 13818-1, 2.6.8).
var registrations = map[byte]string{typeAC3: "\x05\x04AC-3", typeEAC3: "\x05\x04EAC3"}

// program returns the body of the PMT (ISO/IEC 13818-1, 2.4.4.8).
func (t *tables) program() []byte {
	clock := byte(pidVideo & 0xff)
	if t.types[0] == 0 {
		clock = pidAudio & 0xff
	}
	b := []byte{0xe0 | firstPID>>8, clock, 0xf0, 0}
	for i, streamType := range t.types {
		if streamType != 0 {
			registration := registrations[streamType]
			b = append(b, streamType, 0xe0|firstPID>>8, byte(i), 0xf0, byte(len(registration)))
			b = append(b, registration...)
		}
	}
	return b
}

// section fills a transport packet with one section (ISO/IEC 13818-1, 2.4.4).
func section(packet []byte, pid uint16, table byte, id uint16, version byte, body []byte) {
	length := 5 + len(body) + 4
	b := packet[:0]
	b = append(b, 0x47, 0x40|byte(pid>>8), byte(pid), 0x10,
		0, // pointer
		table, 0xb0|byte(length>>8), byte(length), byte(id>>8), byte(id), 0xc1|version<<1, 0, 0)
	b = append(b, body...)
	b = binary.BigEndian.AppendUint32(b, checksum(b[5:]))
	for i := len(b); i < len(packet); i++ {
		packet[i] = 0xff
	}
}

// append appends the tables with their counters.
func (t *tables) append(b []byte, counters *[pids]byte) []byte {
	n := len(b)
	b = append(b, t.packets[:]...)
	for i, c := range []int{counterPAT, counterPMT} {
		b[n+i*packetBytes+3] |= counters[c]
		counters[c] = (counters[c] + 1) & 0x0f
	}
	return b
}

// checksum is the CRC of sections (ISO/IEC 13818-1, annex A).
func checksum(b []byte) uint32 {
	crc := uint32(0xffffffff)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
