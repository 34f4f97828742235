package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// Backup asks a running gateway for a copy of its store.
type Backup struct {
	adminAPI
	Gateway string // wins over URL
}

func backupCommand(std *Streams) *cobra.Command {
	c := &Backup{}
	cmd := &cobra.Command{
		Use:     "backup",
		Short:   "Make a copy of a running gateway's store.",
		Example: "  ADMIN_KEY=… sluice backup --url http://127.0.0.1:8080",
		Long:    "The copy is consistent and holds all that was acknowledged. It lies on the gateway's machine, under DATA_DIR/backups; its path is printed. To restore, stop the gateway and start it with DATA_DIR set to a copy of that folder.",
		Args:    checkArguments, Annotations: olderGateway,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Gateway = argument(args, 0)
			return c.Run(std)
		},
	}
	addFlags(cmd.Flags(), "Gateway", c.adminAPI.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run prints the path of the copy.
func (c *Backup) Run(std *Streams) error {
	base, err := c.base(c.Gateway)
	if err != nil {
		return err
	}
	var answer struct {
		Path string `json:"path"`
	}
	err = newProgress(std.Err).during("the gateway copies its store", func() error {
		return c.call(base, http.MethodPost, "/admin/backup", nil, &answer, 5*time.Minute)
	})
	if err != nil {
		return fmt.Errorf("no backup was made: %w", err)
	}
	return std.result(answer, oneLine(answer.Path)+"\n")
}
