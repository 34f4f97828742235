package persistr

import (
	"errors"
	"net/http"
	"time"

	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// freeAnswer is how many bytes an answer may have without a charge.
const freeAnswer = 64 << 10

// overMemory refuses an answer if too many bytes wait to be read, for its credential or for all together.
func overMemory() error {
	return httperr.New(http.StatusServiceUnavailable, httperr.Busy,
		"the answers in progress use as much memory as they may; try again in a moment, or ask for less").After(time.Second)
}

// chargeAnswer charges the memory of an answer until release, since a client may read it slowly. The charge is twice its length,
// for the events and for the text.
func (h *Handler) chargeAnswer(c *call, length int) (release func(), err error) {
	if length <= freeAnswer || h.o.Answers == nil {
		return func() {}, nil
	}
	a := h.o.Answers.Open(c.Request().Context())
	if err := a.Take(2 * int64(length)); err != nil {
		a.Close()
		if errors.As(err, new(*share.FullError)) {
			err = overMemory()
		}
		return nil, err
	}
	a.Send()
	return a.Close, nil
}

// respondJSON answers with JSON, charged to the sender.
func (h *Handler) respondJSON(c *call, text []byte) error {
	release, err := h.chargeAnswer(c, len(text))
	if err != nil {
		return err
	}
	defer release()
	return body.JSON(c, http.StatusOK, text)
}
