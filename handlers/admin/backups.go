package admin

import (
	"cmp"
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
	return c.JSON(http.StatusCreated, madeBackup{path, h.node()})
}

// madeBackup is the answer to who made one.
type madeBackup struct {
	Path string `json:"path"`
	Node string `json:"node,omitempty"`
}

// backupsHere are those of this gateway.
func (h *Handler) backupsHere() ([]Backup, error) {
	list, err := h.o.Backups.List()
	for i := range list {
		list[i].Node = h.node()
	}
	return list, err
}

func (h *Handler) listBackups(c echo.Context) error {
	q, err := pageOf(c, maxListed)
	if err != nil {
		return err
	}
	list := []Backup{}
	if h.o.Cluster == nil {
		if list, err = h.backupsHere(); err != nil {
			return ofBackup(err, "the backups cannot be listed")
		}
	} else {
		answers, missing := ask[[]Backup](c.Request().Context(), h.o.Cluster.Peers, askBackups, nil)
		for _, those := range answers {
			list = append(list, those...)
		}
		setMissing(c, missing)
		slices.SortFunc(list, func(a, b Backup) int { return cmp.Compare(a.order(), b.order()) })
	}
	total := len(list)
	list = slices.DeleteFunc(list, func(b Backup) bool { return !q.in(b.Name, b.Node) })
	return c.JSON(http.StatusOK, cut(c, q, total, list, (*Backup).order))
}

// order sorts the oldest first.
func (b *Backup) order() string { return b.Name + " " + b.Node }

// removeBackup removes a backup of the gateway that node names, or of this one.
func (h *Handler) removeBackup(c echo.Context) error {
	name := pathparam.Get(c, "name")
	audit.Target(c, name)
	node, err := h.nodeOf(c)
	if err != nil {
		return err
	}
	if node != "" {
		audit.Detail(c, "of "+node)
	}
	if node == "" || node == h.node() {
		err = h.o.Backups.Remove(name)
	} else {
		var done *removedBackup
		if done, err = askOne[removedBackup](c.Request().Context(), h.o.Cluster.Peers, node, askRemoveBackup, []byte(name)); err != nil {
			return err
		}
		if !done.There {
			err = ErrNoSuchBackup
		}
	}
	if err != nil {
		return ofBackup(err, "the backup was not removed")
	}
	return c.NoContent(http.StatusNoContent)
}

// removedBackup is the answer of a gateway that was to remove one.
type removedBackup struct {
	There bool `json:"there"`
}

func (h *Handler) removeHere(name string) (any, error) {
	err := h.o.Backups.Remove(name)
	if errors.Is(err, ErrNoSuchBackup) {
		return removedBackup{}, nil
	}
	return removedBackup{true}, err
}
