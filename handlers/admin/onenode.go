package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/cluster/peers"
	"sluice/handlers/httperr"
)

// paramNode is the parameter that names one gateway of the cluster.
const paramNode = "node"

// nodeOf reads the name of the gateway that a request is about; "" if it names none.
func (h *Handler) nodeOf(c echo.Context) (string, error) {
	node := c.QueryParam(paramNode)
	if node != "" && h.o.Cluster == nil {
		return "", httperr.New(http.StatusBadRequest, httperr.BadParameter,
			"parameter %s: this gateway is alone: CLUSTER_URL is not set; leave the parameter out", paramNode)
	}
	return node, nil
}

// figuresOf are the figures of one gateway. Without a name they are allFigures.
func (h *Handler) figuresOf(ctx context.Context, node string) (*stats, error) {
	if node == "" {
		return h.allFigures(ctx), nil
	}
	return askOne[stats](ctx, h.o.Cluster.Peers, node, askStats, nil)
}

// askOne asks one gateway by its name, which may be that of this one.
func askOne[T any](ctx context.Context, p Peers, node, what string, body []byte) (*T, error) {
	text, err := p.AskOne(ctx, node, what, body)
	if errors.Is(err, peers.ErrUnknown) {
		var names []string
		for _, one := range p.List() {
			names = append(names, one.Node)
		}
		return nil, httperr.New(http.StatusNotFound, httperr.NotFound, "there is no gateway %.64q in the cluster now; there are %s", node, strings.Join(names, ", "))
	}
	one := new(T)
	if err == nil {
		if err = json.Unmarshal(text, one); err != nil {
			err = fmt.Errorf("its answer cannot be read: %w", err)
		}
	}
	if err != nil {
		return nil, httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "asking the gateway %s about %s: %v", node, what, err).After(time.Second)
	}
	return one, nil
}
