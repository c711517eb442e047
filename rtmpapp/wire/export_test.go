package wire

// Held returns how many bytes of messages r has room for, and checks that it knows how many of them have come.
func (r *ChunkReader) Held() (room int, counted bool) {
	come := 0
	for _, cs := range r.streams {
		room += cap(cs.head.Body)
		come += len(cs.head.Body)
	}
	return room, come == r.pending
}

// AllocateAhead is at most allocated for a message before its bytes are there.
const AllocateAhead = allocateAhead
