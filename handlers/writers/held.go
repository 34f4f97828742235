package writers

// freeHeld is how much a stream may have to write without being charged: the rest of an event, or a batch of them. Of a
// room it can be all that the room retains.
const freeHeld = 2 * batchBytes

// hold charges what the stream has yet to write to its credential, or to its client's address where it has none. It
// reports whether there is room for n bytes; the caller calls written when they are out.
func (s *Stream) hold(c *Config, n int) bool {
	if n <= freeHeld || c.Memory == nil {
		return true
	}
	if s.account == nil {
		s.account = c.Memory.Account(s.Owner())
	}
	more := int64(n) - s.account.Held()
	return more <= 0 || s.account.Take(more) == nil
}

// written gives back what hold has charged.
func (s *Stream) written() {
	if s.account != nil {
		s.account.Close()
		s.account = nil
	}
}
