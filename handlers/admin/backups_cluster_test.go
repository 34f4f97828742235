//go:build unix

package admin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Any gateway lists the backups of all, and removes one where it is.
func TestBackupsOfCluster(t *testing.T) {
	t.Parallel()
	all := gatewaytest.Cluster(t, 2)
	paths := map[string]string{}
	for i, g := range all {
		made := g.AsAdmin(t, "POST", "/admin/backup", "", 201)
		if node := fmt.Sprintf("n%d", i); made["node"] != node {
			t.Errorf("%v, want the node %s", made, node)
		}
		paths[made["node"].(string)] = made["path"].(string)
	}
	for _, g := range all {
		list := g.AsAdmin(t, "GET", "/admin/backups", "", 200)["list"].([]any)
		if len(list) != 2 {
			t.Fatalf("%v", list)
		}
		for _, one := range list {
			b := one.(map[string]any)
			if b["path"] != paths[b["node"].(string)] {
				t.Errorf("%v is not of %v", b, paths)
			}
		}
	}
	other := "/admin/backups/" + filepath.Base(paths["n1"])
	for _, s := range []scenario{
		{Name: "not here", Path: other, Status: 404},
		{Name: "unknown gateway", Path: other + "?node=n7", Status: 404, Has: []string{"n0, n1"}},
		{Name: "none of that name there", Path: "/admin/backups/20010101T000000.000Z?node=n1", Status: 404, Has: []string{"GET /admin/backups"}},
		{Name: "not out of the folder", Path: "/admin/backups/..%2Flog?node=n1", Status: 404},
		{Name: "there", Path: other + "?node=n1", Status: 204},
		{Name: "no more", Path: other + "?node=n1", Status: 404},
		{Name: "here, by name", Path: "/admin/backups/" + filepath.Base(paths["n0"]) + "?node=n0", Status: 204},
	} {
		s.Method, s.Key = "DELETE", gatewaytest.AdminKey
		s.Run(t, all[0])
	}
	for _, path := range paths {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	alone := newGateway(t)
	(&scenario{Name: "alone", Method: "DELETE", Path: other + "?node=n1", Key: gatewaytest.AdminKey, Status: 400, Has: []string{"bad_parameter", "CLUSTER_URL"}}).Run(t, alone.Gateway)
}
