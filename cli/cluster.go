package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sluice/cluster/bus"
	"sluice/config"
	"sluice/gateway"
)

// Cluster is about the gateways that share one log.
type Cluster struct {
	Init     ClusterInit     `cmd:"" help:"Make the cluster that the settings name, with the log in DATA_DIR."`
	Status   ClusterStatus   `cmd:"" help:"Show the gateways, the journal and the snapshots of the cluster."`
	Snapshot ClusterSnapshot `cmd:"" help:"Have a gateway make a snapshot of the cluster's log now."`
	Leave    ClusterLeave    `cmd:"" help:"Take a log out of its cluster, for a gateway that runs alone."`
}

// Help is shown by sluice cluster --help.
func (*Cluster) Help() string { return clusterExample }

const clusterExample = "Example:\n\n  CLUSTER_URL=nats://10.0.0.1:4222,nats://10.0.0.2:4222,nats://10.0.0.3:4222 CLUSTER_SECRET=$(openssl rand -hex 32) sluice cluster init"

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
	Bytes config.Size `placeholder:"SIZE" help:"The most that the journal keeps on each server, such as 8GiB; the default is that, or 1GiB if the servers have no room for it."`
}

// Help is shown by sluice cluster init --help.
func (*ClusterInit) Help() string {
	return clusterExample + "\n\nRun it once, on one machine, while no gateway runs there. All that the log in DATA_DIR has becomes the log of the cluster; DATA_DIR may be empty. " +
		"If it is interrupted, run it again."
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
	made, err := gateway.InitCluster(ctx, cfg, b, gateway.InitOptions{Bytes: int64(c.Bytes), Version: version()})
	switch {
	case errors.Is(err, gateway.ErrLocked), errors.Is(err, gateway.ErrClusterExists), errors.As(err, new(*gateway.SettingsError)):
		return usageError{err}
	case err != nil:
		return fmt.Errorf("%w\nNothing is lost. Run the command again when the cause is repaired: it goes on where it stopped", err)
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

// ClusterSnapshot asks the gateways for a snapshot.
type ClusterSnapshot struct{}

// Help is shown by sluice cluster snapshot --help.
func (*ClusterSnapshot) Help() string {
	return "Example:\n\n  sluice cluster snapshot\n\nGateways make snapshots by themselves. New gateways begin with the newest one. The command shows what it waits for, and ends with an error if nothing moves for two minutes; the gateway goes on trying."
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
	made, err := gateway.AskSnapshot(ctx, b, func(waits string) { fmt.Fprintln(std.Err, "sluice:", waits) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, "place %d, %d bytes\n", made.Place, made.Size)
	return err
}

// ClusterLeave takes a log out of its cluster.
type ClusterLeave struct {
	Dir string `arg:"" help:"DATA_DIR of a gateway that is stopped."`
}

// Help is shown by sluice cluster leave --help.
func (*ClusterLeave) Help() string {
	return "Example:\n\n  sluice cluster leave /var/lib/sluice\n\nThe log keeps all its data. From then on it is the log of one gateway alone, and it can begin a new cluster with sluice cluster init. The cluster itself and its other gateways do not change."
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
	_, err = fmt.Fprintf(std.Out, "The log in %s has left the cluster %s. Start its gateway without CLUSTER_URL.\n", c.Dir, cluster)
	return err
}
