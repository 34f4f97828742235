package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cluster/bus"
	"sluice/cluster/peers"
	"sluice/gateway"
	"sluice/store/eventlog/journal"
)

// ClusterStatus shows how a cluster is.
type ClusterStatus struct {
	Gateways int
}

func clusterStatusCommand(std *Streams) *cobra.Command {
	c := &ClusterStatus{}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the gateways, the journal and the snapshots of the cluster.",
		Example: "  sluice cluster status --gateways 3",
		Long:    "It needs the NATS servers, and no gateway.\n\nExit codes: 0 all is well, 1 something is not (the last line says what), 2 wrong arguments or settings.",
		Args:    checkArguments,
		RunE:    func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "Flags", func(f *pflag.FlagSet) {
		f.IntVar(&c.Gateways, "gateways", 0, "There should be `N` gateways. With fewer, the cluster is not well.")
	})
	std.jsonFlag(cmd.Flags())
	return cmd
}

// beatsFor is how long the gateways' beats are collected. Each sends one a second.
const beatsFor = 2500 * time.Millisecond

// clockMost is how far the clocks of two machines may be apart.
const clockMost = 30 * time.Second

// statusMost bounds a question to the journal's leader.
const statusMost = 5 * time.Second

// knownMost bounds a question to the gateways. Those that are there answer at once.
const knownMost = time.Second

// clusterBeat is what a gateway says of itself each second.
type clusterBeat struct {
	Node   string    `json:"node"`
	Sent   time.Time `json:"sent"`
	Leaves bool      `json:"leaves"`
	peers.State

	clock time.Duration // of the gateway minus ours
}

// clusterState is what the command has found out.
type clusterState struct {
	beats     []clusterBeat
	silent    []gateway.KnownGateway // that a gateway knows, and that send nothing
	journal   journal.State
	snapshots []journal.Snapshot
	faults    []string
}

// Run prints three tables. The error is what is not well.
func (c *ClusterStatus) Run(std *Streams) error {
	_, b, err := connectCluster()
	if err != nil {
		return err
	}
	defer b.Close()
	s := clusterState{}
	if s.beats, err = collectBeats(b, beatsFor); err != nil {
		return err
	}
	if s.silent, err = findSilent(b, s.beats); err != nil {
		s.fault("the gateways: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusMost)
	defer cancel()
	if s.journal, err = journal.Look(ctx, b); err != nil {
		s.fault("the journal: %v", err)
	} else if s.snapshots, err = journal.List(ctx, b); err != nil {
		s.fault("the snapshots: %v", err)
	}
	s.judge(c.Gateways)
	if std.JSON {
		err = printLine(std.Out, s.report())
	} else {
		err = s.print(std)
	}
	if err != nil {
		return err
	}
	if len(s.faults) > 0 {
		return errors.New("the cluster is not well: " + strings.Join(s.faults, "; "))
	}
	return nil
}

// collectBeats returns the newest beat of each gateway, by name.
func collectBeats(b *bus.Bus, most time.Duration) ([]clusterBeat, error) {
	beats := make(chan clusterBeat)
	done := make(chan struct{})
	defer close(done)
	err := b.Listen("peers.beat", func(body []byte) {
		var beat clusterBeat
		if json.Unmarshal(body, &beat) != nil {
			return // of a version that says something else
		}
		beat.clock = time.Until(beat.Sent)
		select {
		case beats <- beat:
		case <-done:
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listening to the gateways: %w", err)
	}
	newest := map[string]clusterBeat{}
	for timer := time.After(most); ; {
		select {
		case beat := <-beats:
			newest[beat.Node] = beat
		case <-timer:
			return byName(newest), nil
		}
	}
}

// findSilent returns the gateways that were there in the last ten minutes, did not stop as planned, and have sent no beat.
func findSilent(b *bus.Bus, beats []clusterBeat) (silent []gateway.KnownGateway, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), knownMost)
	defer cancel()
	known, err := gateway.AskGateways(ctx, b, len(beats))
	if err != nil {
		return nil, fmt.Errorf("asking the gateways: %w", err)
	}
	for _, beat := range beats {
		delete(known, beat.Node)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		silent = append(silent, known[name])
	}
	return silent, nil
}

func byName(newest map[string]clusterBeat) (list []clusterBeat) {
	for _, beat := range newest {
		if !beat.Leaves {
			list = append(list, beat)
		}
	}
	slices.SortFunc(list, func(x, y clusterBeat) int { return strings.Compare(x.Node, y.Node) })
	return list
}

func (s *clusterState) fault(format string, a ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, a...))
}

// judge notes what is not well.
func (s *clusterState) judge(gateways int) {
	if len(s.beats) == 0 {
		s.fault("no gateway is running")
	} else if len(s.beats) < gateways {
		s.fault("%d of %d gateways are running", len(s.beats), gateways)
	}
	for _, g := range s.silent {
		s.fault("the gateway %s has been silent for %s: it is dead, paused or cut off", g.Node, g.Seen.Round(time.Second))
	}
	for _, beat := range s.beats {
		if !beat.Ready {
			s.fault("the gateway %s is not ready", beat.Node)
		}
		if beat.clock.Abs() > clockMost {
			s.fault("the clock of the gateway %s differs from this machine's by %s: let both follow NTP", beat.Node, beat.clock.Round(time.Second))
		}
	}
	if s.journal.Wanted == 0 {
		return // there is no answer about it, which is noted
	}
	if !s.journal.Led {
		s.fault("no server leads the journal now")
	}
	if have := len(s.journal.Replicas) + 1; have < s.journal.Wanted {
		s.fault("the journal is on %d servers instead of %d", have, s.journal.Wanted)
	}
	for _, r := range s.journal.Replicas {
		if !r.Current {
			s.fault("the NATS server %s does not have all of the journal, or does not answer: stop no other one now", r.Name)
		}
	}
	switch {
	case len(s.snapshots) == 0:
		s.fault("there is no snapshot, so no gateway can join")
	case s.snapshots[0].Place+1 < s.journal.First:
		s.fault("the journal begins after the newest snapshot, so no gateway can join")
	}
}

func (s *clusterState) print(std *Streams) error {
	w := tabwriter.NewWriter(std.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "GATEWAY\tVERSION\tREADY\tPLACE\tBEHIND\tCONNECTIONS\tFORMAT")
	for _, beat := range s.beats {
		behind := s.journal.Last - min(beat.Place, s.journal.Last)
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", beat.Node, beat.Version, yesNo(beat.Ready), beat.Place, behind, beat.Connections, formats(beat))
	}
	older := map[string]bool{}
	for _, beat := range s.beats {
		for _, name := range beat.Older {
			older[name] = true
		}
	}
	for _, g := range s.silent {
		fmt.Fprintf(w, "%s\t%s\tsilent\t%d\t\t\t\n", g.Node, g.Version, g.Place)
	}
	if len(older) > 0 {
		fmt.Fprintf(w, "\nAn older format is written until these are upgraded, or a day after they were there: %s\n", strings.Join(slices.Sorted(maps.Keys(older)), ", "))
	}
	j := s.journal
	fmt.Fprintf(w, "\nJOURNAL\tFIRST\tLAST\tBYTES\t\t\t\n%s\t%d\t%d\t%d\t\t\t\t\n", leader(j), j.First, j.Last, j.Bytes)
	for _, r := range j.Replicas {
		fmt.Fprintf(w, "replica %s\tcurrent: %s\tbehind: %d\t\t\t\t\n", r.Name, yesNo(r.Current), r.Lag)
	}
	fmt.Fprintln(w, "\nSNAPSHOT\tAGE\tBYTES\tVERSION\t\t\t")
	for _, snapshot := range s.snapshots {
		fmt.Fprintf(w, "place %d\t%s\t%d\t%s\t\t\t\n", snapshot.Place, time.Since(snapshot.Made).Round(time.Second), snapshot.Size, snapshot.Version)
	}
	return w.Flush()
}

// formats says which level of the formats a gateway writes, and up to which it reads.
func formats(b clusterBeat) string {
	if b.Level == b.Writes {
		return fmt.Sprint(b.Writes)
	}
	return fmt.Sprintf("%d, reads up to %d", b.Writes, b.Level)
}

func leader(s journal.State) string {
	switch {
	case s.Wanted == 0:
		return "unknown"
	case s.Leader == "":
		return "one server"
	}
	return "leader " + s.Leader
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
