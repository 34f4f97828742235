package persistr

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"sluice/handlers/audit"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/store/streams"
)

// visible returns the databases that a principal may read at least in part.
func (h *Handler) visible(who *principal) []string {
	return slices.DeleteFunc(h.o.Catalog.Names(), func(name string) bool { return h.readable(who, name).Empty() })
}

func (h *Handler) listDatabases(c *call) error {
	return c.JSON(http.StatusOK, append([]string{}, h.visible(c.who)...))
}

// makerID returns the account for which the sender makes and deletes databases; "" is root, which needs no grant.
func (c *call) makerID() (string, error) {
	switch {
	case c.who.root:
		return "", nil
	case c.who.account != nil:
		return c.who.account.ID, nil
	}
	return "", forbidden("only accounts can create, clone, rename and destroy databases")
}

func (h *Handler) createDatabase(c *call) error {
	makerID, err := c.makerID()
	if err == nil {
		err = h.o.Catalog.Create(c.Request().Context(), c.name("db"), makerID)
	}
	return noContent(c, err)
}

// noContent answers 204.
func noContent(c *call, err error) error {
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// withDatabase calls a function with the database of the path, if the sender has the role for it.
func (h *Handler) withDatabase(c *call, least streams.Role, f func(ctx context.Context, name string) error) error {
	name, err := h.allowed(c, least)
	if err != nil {
		return err
	}
	return noContent(c, f(c.Request().Context(), name))
}

// asOwner calls a function with the database of the path, if the sender is an account that owns it, or root.
func (h *Handler) asOwner(c *call, f func(ctx context.Context, name, makerID string) error) error {
	makerID, err := c.makerID()
	if err != nil {
		return err
	}
	return h.withDatabase(c, streams.Owner, func(ctx context.Context, name string) error { return f(ctx, name, makerID) })
}

func (h *Handler) destroyDatabase(c *call) error {
	return h.asOwner(c, h.o.Catalog.Destroy)
}

func (h *Handler) renameDatabase(c *call) error {
	audit.Detail(c, "to "+c.QueryParam("to"))
	return h.asOwner(c, func(ctx context.Context, name, makerID string) error {
		return h.o.Catalog.Rename(ctx, name, c.QueryParam("to"), makerID)
	})
}

// cloneDatabase needs an owner: the copy has everything in the database, and its maker is charged for all of it.
func (h *Handler) cloneDatabase(c *call) error {
	audit.Detail(c, "to "+c.QueryParam("to"))
	return h.asOwner(c, func(ctx context.Context, name, makerID string) error {
		return h.o.Catalog.Clone(ctx, name, c.QueryParam("to"), makerID)
	})
}

// grantee is the account that a grant is for: its username, which the client calls email.
func (h *Handler) grantee(c *call) (string, error) {
	username := c.QueryParam("username")
	if username == "" {
		username = c.QueryParam("email")
	}
	a, err := h.o.Accounts.Get(username)
	if err != nil {
		return "", err
	}
	audit.Detail(c, strings.TrimSpace(username+" "+c.QueryParam("role")))
	return a.ID, nil
}

func (h *Handler) grant(c *call) error {
	name, err := h.allowed(c, streams.Owner)
	if err != nil {
		return err
	}
	role, err := streams.ParseRole(c.QueryParam("role"))
	if err != nil {
		return err
	}
	grantee, err := h.grantee(c)
	if err != nil {
		return err
	}
	if err := h.o.Catalog.Grant(c.Request().Context(), name, grantee, role); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}

func (h *Handler) revoke(c *call) error {
	return h.withDatabase(c, streams.Owner, func(ctx context.Context, name string) error {
		grantee, err := h.grantee(c)
		if err != nil {
			return err
		}
		return h.o.Catalog.Grant(ctx, name, grantee, streams.None)
	})
}

func (h *Handler) listNamespaces(c *call) error {
	name, err := h.allowed(c, streams.Reader)
	if err != nil {
		return err
	}
	names, err := h.o.Catalog.Namespaces(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, append([]string{}, names...))
}

func (h *Handler) createNamespace(c *call) error {
	return h.withDatabase(c, streams.Admin, func(ctx context.Context, name string) error {
		return h.o.Catalog.CreateNamespace(ctx, name, c.name("ns"))
	})
}

func (h *Handler) destroyNamespace(c *call) error {
	return h.withDatabase(c, streams.Admin, func(ctx context.Context, name string) error {
		return h.o.Catalog.DestroyNamespace(ctx, name, c.name("ns"))
	})
}

func (h *Handler) renameNamespace(c *call) error {
	audit.Detail(c, "to "+c.QueryParam("to"))
	return h.withDatabase(c, streams.Admin, func(ctx context.Context, name string) error {
		return h.o.Catalog.RenameNamespace(ctx, name, c.name("ns"), c.QueryParam("to"))
	})
}

func (h *Handler) truncateNamespace(c *call) error {
	return h.withDatabase(c, streams.Admin, func(ctx context.Context, name string) error {
		return h.o.Catalog.Truncate(ctx, name, c.name("ns"))
	})
}

// namespaceOf is the namespace of a call: in the path, or in the query as later clients send it. nil: none is named.
func (c *call) namespaceOf() *string {
	if slices.Contains(c.ParamNames(), "ns") {
		ns := c.name("ns")
		return &ns
	}
	if c.QueryParams().Has("ns") {
		ns := c.QueryParam("ns")
		return &ns
	}
	return nil
}

func (h *Handler) listStreams(c *call) error {
	name, err := h.allowed(c, streams.Reader)
	if err != nil {
		return err
	}
	list := streamList{c: c, text: []byte{'['}, row: rowFor(c)}
	if err := h.o.Catalog.Streams(c.Request().Context(), name, c.namespaceOf(), list.add); err != nil {
		return err
	}
	return list.end()
}

func (h *Handler) destroyStream(c *call) error {
	return h.withDatabase(c, streams.Admin, func(ctx context.Context, name string) error {
		ns := ""
		if given := c.namespaceOf(); given != nil {
			ns = *given
		}
		return h.o.Catalog.DestroyStream(ctx, name, ns, c.name("stream"))
	})
}

func (h *Handler) annotate(c *call) error {
	return h.withDatabase(c, streams.Member, func(ctx context.Context, name string) error {
		text, err := h.body(c)
		if err == nil {
			_, err = h.allowed(c, streams.Member) // still
		}
		switch {
		case err != nil:
			return err
		case text == nil:
			text = []byte("null") // the client sends no body for null, 0, false and ""
		case int64(len(text)) > h.o.MaxEvent:
			return httperr.New(http.StatusRequestEntityTooLarge, nameTooLarge, "the annotation is %d bytes; MAX_EVENT allows %d", len(text), h.o.MaxEvent)
		}
		return h.o.Catalog.Annotate(ctx, name, c.name("ns"), c.name("stream"), text)
	})
}

func (h *Handler) readAnnotation(c *call) error {
	name, err := h.allowed(c, streams.Reader)
	if err != nil {
		return err
	}
	text, err := h.o.Catalog.Annotation(name, c.name("ns"), c.name("stream"))
	if err != nil {
		return err
	}
	return body.JSON(c, http.StatusOK, text)
}

func (h *Handler) removeAnnotation(c *call) error {
	return h.withDatabase(c, streams.Member, func(ctx context.Context, name string) error {
		if _, err := h.o.Catalog.Annotation(name, c.name("ns"), c.name("stream")); err != nil {
			return err
		}
		return h.o.Catalog.Annotate(ctx, name, c.name("ns"), c.name("stream"), nil)
	})
}
