package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Backup asks a running gateway for a copy of its store.
type Backup struct {
	adminAPI
	Gateway string `arg:"" optional:"" help:"The gateway, as --url."`
}

// Help is shown by sluice backup --help.
func (*Backup) Help() string {
	return "Example:\n\n  ADMIN_KEY=… sluice backup --url http://127.0.0.1:8080\n\nThe copy is consistent and holds all that was acknowledged. It lies on the gateway's machine, under DATA_DIR/backups; its path is printed. To restore, stop the gateway and start it with DATA_DIR set to a copy of that folder."
}

// Run prints the path of the copy.
func (c *Backup) Run(std *Streams) error {
	base, err := c.base(c.Gateway)
	if err != nil {
		return err
	}
	var told struct{ Path string }
	if err := c.call(base, http.MethodPost, "/admin/backup", nil, &told, 5*time.Minute); err != nil {
		return fmt.Errorf("no backup was made: %w", err)
	}
	_, err = fmt.Fprintln(std.Out, told.Path)
	return err
}

// backup makes a copy of all that DATA_DIR holds, but earlier copies, as a folder that can be a DATA_DIR.
func (g *gateway) backup() (string, error) {
	g.backups.Lock()
	defer g.backups.Unlock()
	dir, err := filepath.Abs(filepath.Join(g.cfg.DataDir, "backups", time.Now().UTC().Format("20060102T150405.000Z")))
	if err != nil {
		return "", err
	}
	if g.cfg.DataDir == inMemory {
		return "", g.log.Backup(dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder: %w", err)
	}
	if err := g.log.Backup(filepath.Join(dir, logFolder)); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	for _, name := range []string{firstKeyFile, tokenSecretFile} {
		content, err := os.ReadFile(filepath.Join(g.cfg.DataDir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("copying %s: %w", name, err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}
