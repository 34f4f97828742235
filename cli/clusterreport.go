package cli

import "time"

// clusterReport is a cluster as --json prints it. The names are those of GET /admin/cluster.
type clusterReport struct {
	OK        bool              `json:"ok"`
	Faults    []string          `json:"faults"`
	Nodes     []reportedNode    `json:"nodes"`
	Silent    []silentNode      `json:"silent"`
	Journal   *reportedJournal  `json:"journal"` // null if nobody answers for it
	Snapshots []reportedArchive `json:"snapshots"`
}

type reportedNode struct {
	Node        string `json:"node"`
	Version     string `json:"version"`
	Ready       bool   `json:"ready"`
	Place       uint64 `json:"place"`
	Behind      uint64 `json:"behind"`
	Connections int    `json:"connections"`
	Level       int    `json:"level"`
	Writes      int    `json:"writes"`
	ClockOffMS  int64  `json:"clock_off_ms"`
}

type silentNode struct {
	Node    string `json:"node"`
	Version string `json:"version"`
	Place   uint64 `json:"place"`
	SeenMS  int64  `json:"seen_ms"` // since it was heard
}

type reportedJournal struct {
	Leader   string            `json:"leader"`
	First    uint64            `json:"first"`
	Last     uint64            `json:"last"`
	Bytes    uint64            `json:"bytes"`
	Wanted   int               `json:"wanted"`
	Replicas []reportedReplica `json:"replicas"`
}

type reportedReplica struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Behind  uint64 `json:"behind"`
}

type reportedArchive struct {
	Place   uint64    `json:"place"`
	Made    time.Time `json:"made"`
	Bytes   int64     `json:"bytes"`
	Version string    `json:"version"`
}

// report returns what the command has found out. Its lists are never null.
func (s *clusterState) report() clusterReport {
	r := clusterReport{
		OK: len(s.faults) == 0, Faults: append([]string{}, s.faults...),
		Nodes: []reportedNode{}, Silent: []silentNode{}, Snapshots: []reportedArchive{},
	}
	for _, b := range s.beats {
		r.Nodes = append(r.Nodes, reportedNode{
			Node: b.Node, Version: b.Version, Ready: b.Ready, Place: b.Place, Behind: s.journal.Last - min(b.Place, s.journal.Last),
			Connections: b.Connections, Level: b.Level, Writes: b.Writes, ClockOffMS: b.clock.Milliseconds(),
		})
	}
	for _, g := range s.silent {
		r.Silent = append(r.Silent, silentNode{g.Node, g.Version, g.Place, g.Seen.Milliseconds()})
	}
	if j := s.journal; j.Wanted > 0 {
		r.Journal = &reportedJournal{Leader: j.Leader, First: j.First, Last: j.Last, Bytes: j.Bytes, Wanted: j.Wanted, Replicas: []reportedReplica{}}
		for _, one := range j.Replicas {
			r.Journal.Replicas = append(r.Journal.Replicas, reportedReplica{one.Name, one.Current, one.Lag})
		}
	}
	for _, one := range s.snapshots {
		r.Snapshots = append(r.Snapshots, reportedArchive{one.Place, one.Made.UTC(), one.Size, one.Version})
	}
	return r
}
