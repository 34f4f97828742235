package admin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

func TestBackupsAreListedAndRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := newGateway(t, func(s *setup) { s.DataDir = dir })
	ask := func(method, path string, status int, has ...string) scenario {
		return scenario{Name: method + " " + path, Method: method, Path: path, Key: gatewaytest.AdminKey, Status: status, Has: has}
	}
	g.RunAll(t, []scenario{ask("GET", "/admin/backups", 200, "[]")})
	var names []string
	for range 2 {
		path := g.AsAdmin(t, "POST", "/admin/backup", "", 201)["path"].(string)
		names = append(names, filepath.Base(path))
	}
	keep := filepath.Join(dir, "backups", "mine")
	if err := os.MkdirAll(keep, 0o700); err != nil {
		t.Fatal(err)
	}
	list := g.AsAdmin(t, "GET", "/admin/backups", "", 200)["list"].([]any)
	if len(list) != 2 {
		t.Fatalf("%v", list)
	}
	for i, one := range list {
		b := one.(map[string]any)
		if b["name"] != names[i] || b["path"] != filepath.Join(dir, "backups", names[i]) || b["bytes"].(float64) < 100 || b["node"] != nil || !strings.HasSuffix(fmt.Sprint(b["made"]), "Z") {
			t.Errorf("%v", b)
		}
	}
	paged := ask("GET", "/admin/backups?limit=1", 200, names[0])
	paged.HasNot, paged.ResponseHeaders = []string{names[1]}, map[string]string{"X-Total-Count": "2", "X-Match-Count": "2"}
	g.RunAll(t, []scenario{
		paged,
		ask("DELETE", "/admin/backups/mine", 404, "not_found"),
		ask("DELETE", "/admin/backups/..", 404, "not_found"),
		ask("DELETE", "/admin/backups/..%2Flog", 404, "not_found"),
		ask("DELETE", "/admin/backups/"+names[0]+"%2F..%2Fmine", 404, "not_found"),
		ask("DELETE", "/admin/backups/20010101T000000.000Z", 404, "GET /admin/backups"),
		{Name: "no admin", Method: "DELETE", Path: "/admin/backups/" + names[0], Status: 401},
		ask("DELETE", "/admin/backups/"+names[0], 204),
		ask("DELETE", "/admin/backups/"+names[0], 404),
		ask("GET", "/admin/backups", 200, names[1]),
	})
	for path, there := range map[string]bool{keep: true, filepath.Join(dir, "log"): true, filepath.Join(dir, "backups", names[0]): false, filepath.Join(dir, "backups", names[1]): true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, _ := g.ReadAudit(t, "?until=caught-up&types=backup.delete"); !strings.Contains(text, `"target":"`+names[0]+`"`) {
		t.Errorf("the trail has %s", text)
	}
}

func TestNoBackupsInMemory(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.RunAll(t, []scenario{
		{Name: "list", Path: "/admin/backups", Key: gatewaytest.AdminKey, Status: 409, Has: []string{"no_backup", "DATA_DIR"}},
		{Name: "remove", Method: "DELETE", Path: "/admin/backups/20010101T000000.000Z", Key: gatewaytest.AdminKey, Status: 409, Has: []string{"no_backup"}},
	})
}
