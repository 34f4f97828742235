package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// backup copies everything in DATA_DIR that this version needs, except earlier copies. The copy is a folder that can be a DATA_DIR.
func (g *Gateway) backup() (string, error) {
	g.backups.Lock()
	defer g.backups.Unlock()
	dir, err := filepath.Abs(filepath.Join(g.cfg.DataDir, "backups", time.Now().UTC().Format("20060102T150405.000Z")))
	if err != nil {
		return "", err
	}
	if g.cfg.DataDir == inMemory {
		return "", g.Log.Backup(dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder: %w", err)
	}
	if err := g.Log.Backup(filepath.Join(dir, logFolder)); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	for _, file := range []string{firstKeyFile, firstAdminKeyFile} {
		if err := g.copySecret(dir, file); err != nil {
			return "", errors.Join(fmt.Errorf("copying %s: %w", file, err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// copySecret copies a file of DATA_DIR, if it is there.
func (g *Gateway) copySecret(dir, file string) error {
	content, err := os.ReadFile(filepath.Join(g.cfg.DataDir, file))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, file), content, 0o600)
	}
	return err
}
