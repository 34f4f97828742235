package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cluster/bus"
	"sluice/config"
	"sluice/gateway"
)

// clusterCommand is about the gateways that share one log.
func clusterCommand(std *Streams) *cobra.Command {
	return parent(&cobra.Command{
		Use:     "cluster",
		Short:   "Make a cluster of gateways, and see how it is.",
		Example: clusterExample,
	}, clusterInitCommand(std), clusterStatusCommand(std), clusterSnapshotCommand(std), clusterLeaveCommand(std))
}

const clusterExample = "  CLUSTER_URL=nats://10.0.0.1:4222,nats://10.0.0.2:4222,nats://10.0.0.3:4222 CLUSTER_SECRET=$(openssl rand -hex 32) sluice cluster init"

// errNoCluster is the error of commands that need the settings of a cluster.
var errNoCluster = errors.New("CLUSTER_URL is not set: set CLUSTER_URL and CLUSTER_SECRET, as for the gateways")

// connectCluster reads the settings and connects to the cluster's servers.
func connectCluster() (*config.Config, *bus.Bus, error) {
	cfg, err := config.LoadWithin(gateway.FindMemoryLimit().Bytes, os.Environ(), ".env")
	if err == nil && cfg.ClusterURL == "" {
		err = errNoCluster
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	b, err := gateway.ConnectBus(cfg, gateway.Options{})
	return cfg, b, err
}

// ClusterInit makes a cluster.
type ClusterInit struct {
	Bytes config.Size
}

func clusterInitCommand(std *Streams) *cobra.Command {
	c := &ClusterInit{}
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Make the cluster that the settings name, with the log in DATA_DIR.",
		Example: clusterExample,
		Long: "Run it once, on one machine, while no gateway runs there. All that the log in DATA_DIR has becomes the log of the cluster; DATA_DIR may be empty. " +
			"If it is interrupted, run it again.",
		Args: checkArguments,
		RunE: func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "Flags", func(f *pflag.FlagSet) {
		f.Func("bytes", "The most that the journal keeps on each server, as a `SIZE` such as 8GiB; the default is that, or 1GiB if the servers have no room for it.",
			func(text string) error { return c.Bytes.UnmarshalText([]byte(text)) })
	})
	std.jsonFlag(cmd.Flags())
	return cmd
}

// initMost bounds the time of the whole command, with the upload of a large log.
const initMost = 2 * time.Hour

// Run makes the cluster, and prints what to do next.
func (c *ClusterInit) Run(std *Streams) error {
	cfg, b, err := connectCluster()
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), initMost)
	defer cancel()
	var made gateway.NewCluster
	err = newProgress(std.Err).during("making the cluster, with the log in "+cfg.DataDir, func() (err error) {
		made, err = gateway.InitCluster(ctx, cfg, b, gateway.InitOptions{Bytes: int64(c.Bytes), Version: version()})
		return err
	})
	switch {
	case errors.Is(err, gateway.ErrLocked), errors.Is(err, gateway.ErrClusterExists), errors.As(err, new(*gateway.SettingsError)):
		return usageError{err}
	case err != nil:
		return fmt.Errorf("%w\nNothing is lost. Run the command again when the cause is repaired: it goes on where it stopped", err)
	}
	if std.JSON {
		return printLine(std.Out, madeCluster{b.Cluster(), made.Replicas, made.Bytes, madeSnapshot{made.Snapshot.Place, made.Snapshot.Size}})
	}
	fmt.Fprintf(std.Out, "The cluster %s is ready. Its journal is on %d NATS servers and keeps %d MiB on each; the first snapshot has %d KiB.\n", b.Cluster(), made.Replicas, made.Bytes>>20, made.Snapshot.Size>>10)
	if made.Replicas < 3 {
		fmt.Fprintln(std.Out, "Warning: one NATS server is no cluster. If it is lost, what the gateways have not applied yet is lost. Use three.")
	}
	_, err = fmt.Fprintf(std.Out, `
Next:
 1. start this gateway:   sluice
 2. start the others with the same CLUSTER_* settings and keys, and an empty DATA_DIR. They load the log of the cluster
 3. see how they are:     sluice cluster status

Try it, with a key of API_KEYS and the addresses of two gateways:
  curl -N -H "X-ApiKey: $KEY" http://GATEWAY-1:8080/realtime
  curl -H "X-ApiKey: $KEY" -H "Content-Type: application/json" -d '{"event":"hello","data":{"from":"gateway 2"}}' http://GATEWAY-2:8080/realtime
`)
	return err
}

// madeCluster and madeSnapshot are what --json prints.
type (
	madeCluster struct {
		Cluster  string       `json:"cluster"`
		Replicas int          `json:"replicas"`
		Bytes    int64        `json:"bytes"`
		Snapshot madeSnapshot `json:"snapshot"`
	}
	madeSnapshot struct {
		Place uint64 `json:"place"`
		Bytes int64  `json:"bytes"`
	}
)

// ClusterSnapshot asks the gateways for a snapshot.
type ClusterSnapshot struct{}

func clusterSnapshotCommand(std *Streams) *cobra.Command {
	c := &ClusterSnapshot{}
	cmd := &cobra.Command{
		Use:     "snapshot",
		Short:   "Have a gateway make a snapshot of the cluster's log now.",
		Example: "  sluice cluster snapshot",
		Long:    "Gateways make snapshots by themselves. New gateways begin with the newest one. The command shows what it waits for, and ends with an error if nothing moves for two minutes; the gateway goes on trying.",
		Args:    checkArguments,
		RunE:    func(*cobra.Command, []string) error { return c.Run(std) },
	}
	std.jsonFlag(cmd.Flags())
	return cmd
}

// snapshotMost bounds the time of the whole command. Without progress, it ends earlier.
const snapshotMost = time.Hour

// Run waits until the snapshot is there.
func (*ClusterSnapshot) Run(std *Streams) error {
	_, b, err := connectCluster()
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), snapshotMost)
	defer cancel()
	var made gateway.MadeSnapshot
	p := newProgress(std.Err)
	err = p.during("waiting for the snapshot", func() (err error) {
		made, err = gateway.AskSnapshot(ctx, b, func(waits string) {
			p.clear()
			std.note("%s", waits)
		})
		return err
	})
	if err != nil {
		return err
	}
	return std.result(madeSnapshot{made.Place, made.Size}, fmt.Sprintf("place %d, %d bytes\n", made.Place, made.Size))
}

// ClusterLeave takes a log out of its cluster.
type ClusterLeave struct {
	Dir string
}

func clusterLeaveCommand(std *Streams) *cobra.Command {
	c := &ClusterLeave{}
	cmd := &cobra.Command{
		Use:     "leave DIR",
		Short:   "Take a log out of its cluster, for a gateway that runs alone.",
		Example: "  sluice cluster leave /var/lib/sluice",
		Long:    "DIR is DATA_DIR of a gateway that is stopped.\n\nThe log keeps all its data. From then on it is the log of one gateway alone, and it can begin a new cluster with sluice cluster init. The cluster itself and its other gateways do not change.",
		Args:    checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Dir = args[0]
			return c.Run(std)
		},
		ValidArgsFunction: completeFolders,
	}
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run changes the log.
func (c *ClusterLeave) Run(std *Streams) error {
	cluster, err := gateway.LeaveCluster(c.Dir)
	if errors.Is(err, gateway.ErrNoLog) || errors.Is(err, gateway.ErrLocked) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	return std.result(map[string]string{"dir": c.Dir, "cluster": cluster},
		fmt.Sprintf("The log in %s has left the cluster %s. Start its gateway without CLUSTER_URL.\n", c.Dir, cluster))
}
