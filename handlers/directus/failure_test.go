package directus

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
)

// TestPassingRefusals: who signs in too often is told when to come back.
func TestPassingRefusals(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		err  error
		want string
	}{
		{&auth.TriesError{After: 6 * time.Second}, `429 6 {"errors":[{"message":"too many sign-ins failed, for this name or from this address; try again in a moment","extensions":{"code":"REQUESTS_EXCEEDED"}}]}`},
		{fmt.Errorf("signing in: %w", auth.ErrBusy), `429 2 {"errors":[{"message":"too many passwords are being checked; try again in a moment","extensions":{"code":"REQUESTS_EXCEEDED"}}]}`},
		{auth.ErrBadLogin, `401  {"errors":[{"message":"the email or the password is wrong, or the session has ended; sign in again","extensions":{"code":"INVALID_CREDENTIALS"}}]}`},
	} {
		answer := httptest.NewRecorder()
		if err := (&Handler{}).refuse(echo.New().NewContext(httptest.NewRequest("POST", "/auth/login", nil), answer), x.err); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s %s", answer.Code, answer.Header().Get("Retry-After"), answer.Body); got != x.want+"\n" {
			t.Errorf("got  %swant %s", got, x.want)
		}
	}
}
