package admin

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/store/eventlog"
)

// Backup is a copy of DATA_DIR on the gateway's disk.
type Backup struct {
	Name  string    `json:"name"` // of its folder
	Path  string    `json:"path"`
	Made  time.Time `json:"made"`
	Bytes int64     `json:"bytes"`          // of its files, most of which the log shares with it
	Node  string    `json:"node,omitempty"` // the gateway of a cluster that has it
}

// Backups makes, lists and removes the copies.
type Backups interface {
	Make() (path string, err error)
	// List returns all, the oldest first.
	List() ([]Backup, error)
	// Remove returns ErrNoSuchBackup if there is none of that name.
	Remove(name string) error
}

// ErrNoSuchBackup is the error of Remove.
var ErrNoSuchBackup = errors.New("there is no backup of this name; names are those of GET /admin/backups")

// ofBackup turns an error into an answer, and says what was not done.
func ofBackup(err error, what string) error {
	switch {
	case errors.Is(err, ErrNoSuchBackup):
		return httperr.New(http.StatusNotFound, httperr.NotFound, "%v", err)
	case errors.Is(err, eventlog.ErrNoBackup):
		return httperr.New(http.StatusConflict, httperr.NoBackup, "%s: %v", what, err)
	case eventlog.DiskFull(err):
		return httperr.OfLog(err)
	}
	return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "%s: %v", what, err).Because(err)
}

func (h *Handler) backup(c echo.Context) error {
	path, err := h.o.Backups.Make()
	if err != nil {
		return ofBackup(err, "no backup was made")
	}
	audit.Target(c, path)
	return c.JSON(http.StatusCreated, map[string]string{"path": path})
}

func (h *Handler) listBackups(c echo.Context) error {
	q, err := pageOf(c, maxListed)
	if err != nil {
		return err
	}
	list, err := h.o.Backups.List()
	if err != nil {
		return ofBackup(err, "the backups cannot be listed")
	}
	if h.o.Cluster != nil {
		for i := range list {
			list[i].Node = h.o.Cluster.Node
		}
	}
	total := len(list)
	list = slices.DeleteFunc(list, func(b Backup) bool { return !q.in(b.Name) })
	return c.JSON(http.StatusOK, cut(c, q, total, list, func(b *Backup) string { return b.Name }))
}

func (h *Handler) removeBackup(c echo.Context) error {
	if err := h.o.Backups.Remove(pathparam.Get(c, "name")); err != nil {
		return ofBackup(err, "the backup was not removed")
	}
	return c.NoContent(http.StatusNoContent)
}
