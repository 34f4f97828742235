package persistr

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/store/streams"
)

// listBytes is how much of a list of streams is written at once: a database can have millions of them.
const listBytes = 64 << 10

// streamList writes a list of streams as a JSON array while it reads them. If reading fails after a part was written, the
// array stays open, so that no client takes it for complete.
type streamList struct {
	c    *call
	text []byte
	any  bool
	row  func(*streams.Stream) any // a row as the client reads it
}

func (l *streamList) add(s *streams.Stream) error {
	row, err := json.Marshal(l.row(s))
	if err != nil {
		return err
	}
	if l.any {
		l.text = append(l.text, ',')
	}
	l.any = true
	if l.text = append(l.text, row...); len(l.text) < listBytes {
		return nil
	}
	return l.write()
}

func (l *streamList) end() error {
	l.text = append(l.text, "]\n"...)
	return l.write()
}

func (l *streamList) write() error {
	w := l.c.Response()
	if !w.Committed {
		w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		w.WriteHeader(http.StatusOK)
	}
	_, err := w.Write(l.text)
	l.text = l.text[:0]
	return err
}
