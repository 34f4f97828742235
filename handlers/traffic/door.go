package traffic

import "strings"

// Names of what is no door of a client, as metrics and the audit trail show them. Each door has its own name.
const (
	DoorMetrics = "metrics"
	DoorOther   = "other"
)

// Doors has the name of the door for each first part of a path. Before the gateway serves, Add fills it.
type Doors map[string]string

// Add notes that a route's path belongs to a door. Only the first door for a first part counts.
func (d Doors) Add(path, door string) {
	first := firstPart(path)
	if _, taken := d[first]; !taken {
		d[first] = door
	}
}

// Of returns the door of a request's path. The path may have no route: the door still counts the error.
func (d Doors) Of(path string) string {
	if door := d[firstPart(path)]; door != "" {
		return door
	}
	return DoorOther
}

func firstPart(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}
