package gateway

import (
	"sluice/auth/peer"
	"sluice/broker/sse"
	"sluice/config"
	"sluice/handlers"
	"sluice/handlers/admin"
	"sluice/handlers/cors"
	"sluice/handlers/directus"
	"sluice/handlers/driftdb"
	"sluice/handlers/persistr"
	"sluice/handlers/realtime"
	"sluice/handlers/restdb"
	"sluice/store/eventlog"
	"sluice/store/rooms"
)

// Opener opens a door of a gateway whose other parts are ready.
type Opener func(*Gateway) (handlers.Door, error)

// doors are all doors, in the order in which they open. A new door is a new line here.
var doors = []Opener{
	(*Gateway).openRealtime,
	(*Gateway).openPersistr,
	(*Gateway).openRooms,
	(*Gateway).openRest,
	(*Gateway).openDirectus,
	(*Gateway).openAdmin, // after the doors whose handlers it uses
}

// openDoors opens the doors and puts them behind one handler.
func (g *Gateway) openDoors() error {
	var open []handlers.Door
	for _, opener := range append(doors[:len(doors):len(doors)], g.o.Doors...) {
		door, err := opener(g)
		if err != nil {
			return err
		}
		g.onClose(door.Close)
		open = append(open, door)
	}
	g.handler = handlers.New(handlers.Options{
		Doors: open, Traffic: g.Traffic, Logger: g.o.Logger, Metrics: g.Registry,
		CORS:           cors.Options{Origins: g.cfg.CORSOrigins, Headers: g.cfg.CORSHeaders, Credentials: g.cfg.CredentialCookie != "" || g.forwards("Cookie")},
		TrustedProxies: g.cfg.TrustedProxies, Administrator: g.administrator, Trail: g.trail, Ready: g.ready, KeysReady: g.Auth.KeysReady,
		ReadTimeout: g.cfg.ReadTimeout,
	})
	return nil
}

func (g *Gateway) openRealtime() (_ handlers.Door, err error) {
	frames := sse.FramesName
	if g.cfg.CustomEventFrame == config.FramePublish {
		frames = sse.FramesPublish
	}
	g.Realtime, err = realtime.New(realtime.Options{
		Auth: g.Auth, Broker: g.Broker, Databases: g.Databases, Names: g.Names, Logger: g.o.Logger, Traffic: g.Traffic, Frames: frames,
		PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout,
		MaxBody: int64(g.cfg.MaxBody), MaxEvent: int64(g.cfg.MaxEvent), Shards: g.o.Shards,
	})
	return g.Realtime, err
}

func (g *Gateway) openPersistr() (handlers.Door, error) {
	return persistr.New(persistr.Options{
		Auth: g.Auth, Accounts: g.Accounts, Catalog: g.Databases, Broker: g.Broker, Traffic: g.Traffic, Answers: g.answers, Logger: g.o.Logger,
		Admin: g.administrator, PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout,
		MaxBody: int64(g.cfg.MaxBody), MaxEvent: int64(g.cfg.MaxEvent), TrustedProxies: peer.Proxies(g.cfg.TrustedProxies),
		DemoOnLoopback: peer.LoopbackAddr(g.cfg.Addr) && len(g.cfg.TrustedProxies) == 0, Shards: g.o.Shards,
	})
}

func (g *Gateway) openRooms() (_ handlers.Door, err error) {
	var others driftdb.Peers
	if g.clustered() {
		others = g.peers
	}
	g.Rooms, err = driftdb.New(driftdb.Options{
		Peers: others,
		Auth:  g.Auth, Broker: g.Broker, Traffic: g.Traffic, Logger: g.o.Logger,
		Create: driftdb.Create(g.cfg.RoomCreate), Retention: g.cfg.RoomRetention, Unused: g.cfg.RoomUnused, Unread: g.budgets.rooms,
		Bound: eventlog.Bound{Bytes: int64(g.cfg.MaxRoomBytes), Keys: g.cfg.MaxRoomKeys},
		Limits: rooms.Limits{
			Rooms: g.cfg.MaxRooms, CreateRate: g.cfg.RoomCreateRate, CreateRateAll: g.cfg.RoomCreateRateAll, CreateRateKey: g.cfg.RoomCreateRateKey,
			Connections: g.cfg.MaxRoomConnections, Rate: g.cfg.RoomRate, ConnectionRate: g.cfg.RoomConnectionRate, Flood: g.cfg.RoomFloodTimeout,
		},
		PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
		TrustedProxies: peer.Proxies(g.cfg.TrustedProxies), Shards: g.o.Shards,
	})
	return g.Rooms, err
}

func (g *Gateway) openRest() (handlers.Door, error) {
	g.rest = restdb.New(restdb.Options{
		Auth: g.Auth, Documents: g.Documents, Traffic: g.Traffic, ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
	})
	return g.rest, nil
}

func (g *Gateway) openDirectus() (handlers.Door, error) {
	return directus.New(directus.Options{
		Auth: g.Auth, Documents: g.Documents, Broker: g.Broker, Traffic: g.Traffic, Logger: g.o.Logger, Trail: g.trail,
		Mode: directus.Mode(g.cfg.WebSocketAuth), AuthTimeout: g.cfg.WebSocketAuthTimeout, Heartbeat: g.cfg.WebSocketHeartbeat,
		ReadTimeout: g.cfg.ReadTimeout, WriteTimeout: g.cfg.WriteTimeout, MaxBody: int64(g.cfg.MaxBody), Shards: g.o.Shards,
	})
}

func (g *Gateway) openAdmin() (handlers.Door, error) {
	return admin.New(admin.Options{
		Admin: g.administrator, Auth: g.Auth, Logger: g.o.Logger, History: g.Realtime.History, Retract: g.Realtime.Retract, Documents: g.rest.Serve,
		Collections: g.Documents.Collections, Databases: g.Databases, Rooms: g.Rooms.Model(), Broker: g.Broker, Traffic: g.Traffic,
		Version: g.o.Version, Retain: g.retention(""), ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
		Backups: backups{g}, RSS: residentMemory, Cluster: g.adminCluster(),
	})
}
