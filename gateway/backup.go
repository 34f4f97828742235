package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sluice/handlers/admin"
	"sluice/store/eventlog"
)

// backups are the copies of a gateway's DATA_DIR. Each is a folder of the folder backups there.
type backups struct{ *Gateway }

// backupName is the name of a copy's folder, as a time.
const backupName = "20060102T150405.000Z"

func (g backups) folder() string { return filepath.Join(g.cfg.DataDir, "backups") }

// Make copies everything in DATA_DIR that this version needs, except earlier copies. The copy is a folder that can be a DATA_DIR.
func (g backups) Make() (string, error) {
	g.backups.Lock()
	defer g.backups.Unlock()
	dir, err := filepath.Abs(filepath.Join(g.folder(), time.Now().UTC().Format(backupName)))
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

// List returns the copies, the oldest first. Other files of the folder are not listed.
func (g backups) List() ([]admin.Backup, error) {
	g.backups.Lock()
	defer g.backups.Unlock()
	list := []admin.Backup{}
	if g.cfg.DataDir == inMemory {
		return list, eventlog.ErrNoBackup
	}
	entries, err := os.ReadDir(g.folder()) // sorted by name, which is the time
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return list, fmt.Errorf("reading the folder: %w", err)
	}
	for _, e := range entries {
		made, err := time.Parse(backupName, e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		path, err := filepath.Abs(filepath.Join(g.folder(), e.Name()))
		if err != nil {
			return list, err
		}
		size, err := sizeOf(path)
		if err != nil {
			return list, err
		}
		list = append(list, admin.Backup{Name: e.Name(), Path: path, Made: made, Bytes: size})
	}
	return list, nil
}

func sizeOf(folder string) (bytes int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the size of a backup: %w", err)
	}
	return bytes, nil
}

// Remove removes a copy. A name that is not the time of one reaches no file: it could lead out of the folder.
func (g backups) Remove(name string) error {
	g.backups.Lock()
	defer g.backups.Unlock()
	if g.cfg.DataDir == inMemory {
		return eventlog.ErrNoBackup
	}
	if at, err := time.Parse(backupName, name); err != nil || at.Format(backupName) != name {
		return admin.ErrNoSuchBackup
	}
	folder := filepath.Join(g.folder(), name)
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return admin.ErrNoSuchBackup
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("removing the folder: %w", err)
	}
	return nil
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
