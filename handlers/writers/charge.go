package writers

// freeUnsent is how many bytes a stream may have waiting to be written without a charge: the rest of one event, or one
// batch. A room's stream can have far more waiting: everything that the room retains.
const freeUnsent = 2 * batchBytes

// charge charges the n bytes that the stream has yet to write to its credential, or to its client's address if it has
// none. It reports whether there is memory for them. The caller calls refund once they are written.
func (s *Stream) charge(c *Config, n int) bool {
	if n <= freeUnsent || c.Memory == nil {
		return true
	}
	if s.account == nil {
		s.account = c.Memory.Account(s.Owner())
	}
	more := int64(n) - s.account.Held()
	return more <= 0 || s.account.Take(more) == nil
}

// refund gives back what charge took. It may be called twice.
func (s *Stream) refund() {
	if s.account != nil {
		s.account.Close()
		s.account = nil
	}
}
