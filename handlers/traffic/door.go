package traffic

import "strings"

// The doors, as metrics and the audit trail name them.
const (
	DoorRealtime = "realtime"
	DoorRest     = "rest"
	DoorDirectus = "directus"
	DoorRooms    = "rooms"
	DoorPersistr = "persistr"
	DoorAdmin    = "admin"
	DoorMetrics  = "metrics"
	DoorOther    = "other"
)

// doors are the doors by the first part of a path.
var doors = map[string]string{
	"realtime": DoorRealtime,
	"rest":     DoorRest,
	"items":    DoorDirectus, "auth": DoorDirectus, "websocket": DoorDirectus,
	"new": DoorRooms, "room": DoorRooms,
	"db": DoorPersistr, "events": DoorPersistr, "accounts": DoorPersistr,
	"admin":   DoorAdmin,
	"metrics": DoorMetrics,
}

// Door is which door a path belongs to.
func Door(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if door := doors[first]; door != "" {
		return door
	}
	return DoorOther
}
