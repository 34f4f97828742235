package gatewaytest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/handlers/audit"
)

// AuditLine is an entry of the audit trail in NDJSON.
type AuditLine struct {
	Event string
	Data  audit.Entry
}

// ReadAudit reads the audit trail and returns its text and its entries.
func (g *Gateway) ReadAudit(t testing.TB, query string) (text string, entries []AuditLine) {
	t.Helper()
	status, text := g.Request(t, "GET", "/admin/audit"+query, "", "x-apikey", AdminKey, "Accept", "application/x-ndjson")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for one := range strings.Lines(text) {
		var l AuditLine
		if err := json.Unmarshal([]byte(one), &l); err != nil {
			t.Fatalf("%q: %v", one, err)
		}
		entries = append(entries, l)
	}
	return text, entries
}

// AwaitAudit waits until the trail has n entries of an action, and returns them.
func (g *Gateway) AwaitAudit(t testing.TB, action string, n int) (found []AuditLine) {
	t.Helper()
	for range 500 {
		_, found = g.ReadAudit(t, "?until=caught-up&types="+action)
		if len(found) >= n {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d entries of %s, want %d: %v", len(found), action, n, found)
	return nil
}
