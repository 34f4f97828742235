package audit

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/handlers/traffic"
)

// noteKey is the key of the note in a request's context. Only requests that are actions have a note.
const noteKey = "audit"

// note is what a door reports about an action.
type note struct{ who, kind, target, detail string }

func noteOf(c echo.Context) *note {
	if n, ok := c.Get(noteKey).(*note); ok {
		return n
	}
	return &note{} // the request is no action, so nothing reads the note
}

// Identify sets who sent a request. Call it once the credential is checked.
func Identify(c echo.Context, name, kind string) {
	n := noteOf(c)
	n.who, n.kind = name, kind
}

// Target sets the object of an action, if the path does not name it.
func Target(c echo.Context, what string) { noteOf(c).target = what }

// Detail adds further information about an action. It must not contain a secret.
func Detail(c echo.Context, text string) { noteOf(c).detail = text }

// Watch records actions, before the gateway answers them, and requests whose credential was refused. It counts every
// refused request. The doors are those of the requests' paths.
func (t *Trail) Watch(counts *traffic.Traffic, doors traffic.Doors) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if action := Of(c.Request().Method, c.Path()); action != "" {
				c.Set(noteKey, &note{})
				c.Response().Before(func() { t.answer(c, action, doors.Of(c.Request().URL.Path)) })
			}
			if err := next(c); err != nil {
				c.Error(err)
			}
			status, code := httperr.Noted(c)
			if code == "" {
				return nil
			}
			door := doors.Of(c.Request().URL.Path)
			counts.Refused(door, code)
			if status == http.StatusUnauthorized && !excused[code] || code == auth.TooManyTries {
				t.Refused(Entry{Action: CredentialRefuse, From: c.RealIP(), Door: door, Outcome: code})
			}
			return nil
		}
	}
}

// excused are the codes of a 401 that do not mean a wrong credential.
var excused = map[string]bool{auth.MissingCredential: true, auth.KeysUnavailable: true}

// answer records an action just before its answer. A request with a wrong credential is not an action.
func (t *Trail) answer(c echo.Context, action Action, door string) {
	n := noteOf(c)
	if n.who == "" {
		return
	}
	e := Entry{
		Action: action, Who: n.who, Kind: n.kind, From: c.RealIP(), Door: door,
		Target: n.target, Detail: n.detail, RequestID: c.Response().Header().Get(echo.HeaderXRequestID),
	}
	if c.Response().Status >= http.StatusBadRequest {
		e.Outcome = httperr.Code(c)
		t.Refused(e)
		return
	}
	if e.Target == "" {
		e.Target = strings.Join(pathparam.All(c), "/") // they name the object of the action
	}
	t.Record(e)
}
