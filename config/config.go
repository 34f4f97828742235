package config

import (
	"log/slog"
	"net"
	"time"
)

// Config holds the settings, checked. Tags: env is the name, envDefault the default as written, doc
// the line in the docs, min and max the bounds; memory marks a default for FullMemory; secret masks the value (url: where it has an @ or a ?).
type Config struct {
	Addr       string     `env:"ADDR" envDefault:"127.0.0.1:8080" doc:"listen address; beyond loopback a credential must be configured"`
	DataDir    string     `env:"DATA_DIR" envDefault:"./data" doc:"folder of the embedded log; 'memory' keeps nothing (and at most 256 MiB)"`
	Durability Durability `env:"DURABILITY" envDefault:"process" doc:"what a 200 survives: 'process' a kill of the process, 'disk' a power cut too (fsync before the answer)"`

	APIKeys     string `env:"API_KEYS" secret:"true" doc:"JSON list of keys: [{\"name\",\"key\" or \"sha256\",\"sub\",\"pub\",\"rest\",\"origins\",\"rate\",\"frames\",\"expires\"}]"`
	APIKeysFile string `env:"API_KEYS_FILE" doc:"file with such a list; read again when it changes or on SIGHUP"`

	JWTSecret        List          `env:"JWT_SECRET" secret:"true" doc:"secrets for HS256/384/512, 32 bytes or more each, comma-separated for rotation"`
	JWTPublicKeyFile string        `env:"JWT_PUBLIC_KEY_FILE" doc:"PEM file with one or several public keys (RSA, EC, Ed25519); read again when it changes or on SIGHUP"`
	JWTJWKSURL       string        `env:"JWT_JWKS_URL" secret:"url" doc:"https address of a JSON Web Key Set (http on loopback)"`
	JWTJWKSRefresh   time.Duration `env:"JWT_JWKS_REFRESH" envDefault:"5m" min:"1s" max:"24h" doc:"how often JWT_JWKS_URL is read again; streams of a key that it no longer has end then"`
	JWTIssuer        string        `env:"JWT_ISSUER" doc:"the iss that tokens must carry"`
	JWTAudience      string        `env:"JWT_AUDIENCE" doc:"the aud that tokens must carry"`
	JWTLeeway        time.Duration `env:"JWT_LEEWAY" envDefault:"10s" min:"0s" max:"5m" doc:"clock difference allowed for nbf and iat; exp is exact"`
	JWTDefaultSub    List          `env:"JWT_DEFAULT_SUB" doc:"patterns that every valid token may subscribe to; {sub} stands for its subject, as text inside one name"`
	JWTDefaultPub    List          `env:"JWT_DEFAULT_PUB" doc:"patterns that every valid token may publish to; {sub} stands for its subject, as text inside one name"`

	RealtimeGlobal   bool   `env:"REALTIME_GLOBAL" envDefault:"false" doc:"every configured key and every valid token may subscribe and publish everywhere in /realtime"`
	QueryCredentials bool   `env:"QUERY_CREDENTIALS" envDefault:"true" doc:"take keys and tokens from the query too (a browser's EventSource can send them in no other way)"`
	AdminKey         string `env:"ADMIN_KEY" secret:"true" doc:"key of the administrator, 16 characters or more"`
	TokenSecret      string `env:"TOKEN_SECRET" secret:"true" doc:"secret of the gateway's own tokens, 32 bytes or more, to share it between gateways"`

	CORSOrigins      List  `env:"CORS_ORIGINS" envDefault:"*" doc:"origins whose pages may use the gateway, comma-separated, or *"`
	CustomEventFrame Frame `env:"CUSTOM_EVENT_FRAME" envDefault:"name" doc:"how frames of custom events are named: 'name' after the event, 'publish' all the same, as RestDB's clients expect"`

	PersistrDemo bool `env:"PERSISTR_DEMO" envDefault:"false" doc:"make the account demo with the password demo, owner of the database demo: for a first try only (on loopback, with a loopback Host)"`

	MaxDatabases     int  `env:"MAX_DATABASES" envDefault:"100" min:"1" doc:"databases that one account may make; those that root makes count for nobody"`
	MaxDatabaseBytes Size `env:"MAX_DATABASE_BYTES" envDefault:"1GiB" min:"1B" doc:"bytes that one database may hold: events with their index, namespaces and annotations"`
	MaxAccountBytes  Size `env:"MAX_ACCOUNT_BYTES" envDefault:"4GiB" min:"1B" doc:"bytes that all databases which one account made may hold together"`

	RoomCreate         RoomCreate    `env:"ROOM_CREATE" envDefault:"off" doc:"who may make rooms, by POST /new or by going to one that is not there: 'off' nobody, 'open' anybody, 'key' who has an API key or a token"`
	RoomRetention      time.Duration `env:"ROOM_RETENTION" envDefault:"24h" min:"1s" max:"876000h" doc:"a room without messages for so long is dropped"`
	MaxRooms           int           `env:"MAX_ROOMS" envDefault:"100000" min:"1" doc:"rooms at the same time; they hold at most so many times MAX_ROOM_BYTES"`
	RoomUnused         time.Duration `env:"ROOM_UNUSED" envDefault:"10m" min:"1s" max:"876000h" doc:"a room that nothing was ever pushed to is dropped when nobody was in it for so long"`
	RoomCreateRate     int           `env:"ROOM_CREATE_RATE" envDefault:"60" min:"1" max:"1000000000" doc:"rooms a minute that are made for one client address (of IPv6: for one /64) without a credential, and as many at once"`
	RoomCreateRateAll  int           `env:"ROOM_CREATE_RATE_ALL" envDefault:"600" min:"1" max:"1000000000" doc:"rooms a minute that are made for all clients without a credential together, and as many at once"`
	RoomCreateRateKey  int           `env:"ROOM_CREATE_RATE_KEY" envDefault:"6000" min:"1" max:"1000000000" doc:"rooms a minute that are made for one credential, and as many at once"`
	MaxRoomBytes       Size          `env:"MAX_ROOM_BYTES" envDefault:"4MiB" min:"1B" doc:"bytes that a room retains at most"`
	MaxRoomKeys        int           `env:"MAX_ROOM_KEYS" envDefault:"10000" min:"1" doc:"keys that a room has at most"`
	MaxRoomConnections int           `env:"MAX_ROOM_CONNECTIONS" envDefault:"10000" min:"1" doc:"streams and WebSockets open at once in a room"`
	RoomRate           int           `env:"ROOM_RATE" envDefault:"2000" min:"1" max:"1000000000" doc:"stored pushes a second that a room takes, and as many relays; WebSockets that send more are read more slowly, POSTs get a 429"`
	RoomConnectionRate int           `env:"ROOM_CONNECTION_RATE" envDefault:"300" min:"1" max:"1000000000" doc:"messages a second that are read from one WebSocket of a room; one that sends more is read more slowly"`
	RoomFloodTimeout   time.Duration `env:"ROOM_FLOOD_TIMEOUT" envDefault:"5m" min:"1s" max:"876000h" doc:"a WebSocket that ROOM_CONNECTION_RATE has delayed for so long in sum, without a pause, is closed"`

	CollectionIndexes  Indexes       `env:"COLLECTION_INDEXES" doc:"fields of documents to index, as in messages:date_created,user;customer:name"`
	MaxDocument        Size          `env:"MAX_DOCUMENT" envDefault:"64KiB" min:"1B" doc:"bytes of a document"`
	MaxDocuments       int           `env:"MAX_DOCUMENTS" envDefault:"1000000" min:"1" doc:"documents of a collection"`
	MaxCollectionBytes Size          `env:"MAX_COLLECTION_BYTES" envDefault:"1GiB" min:"1B" doc:"bytes of a collection's documents"`
	MaxCollections     int           `env:"MAX_COLLECTIONS" envDefault:"1000" min:"1" doc:"collections of documents"`
	MaxResult          Size          `env:"MAX_RESULT" envDefault:"16MiB" min:"1B" memory:"true" doc:"bytes of the documents of one answer"`
	QueryTime          time.Duration `env:"QUERY_TIME" envDefault:"2s" min:"1ms" max:"1m" doc:"how long a query of documents may take"`

	WebSocketAuth        SocketAuth    `env:"WEBSOCKET_AUTH" envDefault:"handshake" doc:"how sockets of /websocket tell who they are: 'handshake' by their first message, 'public' by any message or none, 'strict' by ?access_token="`
	WebSocketAuthTimeout time.Duration `env:"WEBSOCKET_AUTH_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"the time that they have for it"`
	WebSocketHeartbeat   time.Duration `env:"WEBSOCKET_HEARTBEAT" envDefault:"30s" min:"100ms" max:"1h" doc:"time between pings on each of them; one that says nothing from one to the next is closed"`

	PingInterval      time.Duration `env:"PING_INTERVAL" envDefault:"15s" min:"100ms" max:"1h" doc:"time between pings on each stream"`
	RetryConnect      time.Duration `env:"RETRY_CONNECT" envDefault:"2s" min:"1ms" max:"1h" doc:"the retry that a stream begins with"`
	RetryEvent        time.Duration `env:"RETRY_EVENT" envDefault:"10s" min:"0s" max:"1h" doc:"the retry after each event; 0 leaves the line out"`
	WriteTimeout      time.Duration `env:"WRITE_TIMEOUT" envDefault:"30s" min:"1ms" max:"1h" doc:"a connection that takes no byte for so long is closed"`
	ReadHeaderTimeout time.Duration `env:"READ_HEADER_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"a request head must arrive within"`
	ReadTimeout       time.Duration `env:"READ_TIMEOUT" envDefault:"20s" min:"1ms" max:"1h" doc:"a body must arrive within"`
	DrainTimeout      time.Duration `env:"DRAIN_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"SIGTERM ends the process within"`

	RetainAge   time.Duration `env:"RETAIN_AGE" envDefault:"72h" min:"1ms" max:"876000h" doc:"how long /realtime keeps events"`
	RetainBytes Size          `env:"RETAIN_BYTES" envDefault:"4GiB" min:"1B" doc:"how many bytes of records /realtime keeps, cut in steps of 1/32; whichever comes first"`

	AuditRetainAge   time.Duration `env:"AUDIT_RETAIN_AGE" envDefault:"2160h" min:"1ms" max:"876000h" doc:"how long the audit trail is kept"`
	AuditRetainBytes Size          `env:"AUDIT_RETAIN_BYTES" envDefault:"64MiB" min:"1B" doc:"how many bytes the audit trail keeps of what administrators did, of what clients did, and of refusals"`

	MaxConnections       int     `env:"MAX_CONNECTIONS" envDefault:"0" min:"0" doc:"streams open at once; 0 is no limit"`
	MaxConnectionsPerKey int     `env:"MAX_CONNECTIONS_PER_KEY" envDefault:"0" min:"0" doc:"streams open at once for each key, or each token's issuer and subject; 0 is no limit"`
	MaxPending           int     `env:"MAX_PENDING" envDefault:"1000" min:"8" memory:"true" doc:"sockets of /websocket that have not authenticated; an eighth of them for one client address; beyond it the oldest are closed"`
	MaxMemoryPerKey      Size    `env:"MAX_MEMORY_PER_KEY" envDefault:"64MiB" min:"1MiB" memory:"true" doc:"bytes held in memory for the connections of each key, or each token's issuer and subject"`
	MaxClientMemory      Size    `env:"MAX_CLIENT_MEMORY" envDefault:"256MiB" min:"1MiB" memory:"true" doc:"bytes held in memory for all clients together; a quarter of it is kept for those that hold little"`
	PublishRate          float64 `env:"PUBLISH_RATE" envDefault:"0" min:"0" max:"1000000000" doc:"events a second for each key that has no rate of its own; 0 is no limit"`
	MaxBody              Size    `env:"MAX_BODY" envDefault:"1MiB" min:"1B" doc:"bytes of a request's body"`
	MaxEvent             Size    `env:"MAX_EVENT" envDefault:"64KiB" min:"1B" doc:"bytes of one event as delivered"`

	TrustedProxies Networks `env:"TRUSTED_PROXIES" doc:"addresses or networks, comma-separated, whose X-Forwarded-* is believed"`
	TLSCertFile    string   `env:"TLS_CERT_FILE" doc:"certificate chain for HTTPS and HTTP/2; read again when it changes"`
	TLSKeyFile     string   `env:"TLS_KEY_FILE" doc:"its private key"`
	MetricsAddr    string   `env:"METRICS_ADDR" doc:"a second address for metrics and pprof, open to all who reach it (on loopback, with a loopback Host)"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat LogFormat  `env:"LOG_FORMAT" envDefault:"text" doc:"text or json"`

	settings []Setting
	unknown  []string
}

// Durability is what an answered publish survives.
type Durability string

// The two durabilities.
const (
	DurabilityProcess Durability = "process"
	DurabilityDisk    Durability = "disk"
)

// Frame is how frames of custom events are named.
type Frame string

// The two ways.
const (
	FrameName    Frame = "name"
	FramePublish Frame = "publish"
)

// RoomCreate is who may make rooms.
type RoomCreate string

// Who may.
const (
	RoomsOff  RoomCreate = "off"
	RoomsOpen RoomCreate = "open"
	RoomsKey  RoomCreate = "key"
)

// SocketAuth is how sockets of /websocket tell who they are.
type SocketAuth string

// The ways.
const (
	SocketHandshake SocketAuth = "handshake"
	SocketPublic    SocketAuth = "public"
	SocketStrict    SocketAuth = "strict"
)

// LogFormat is text or json.
type LogFormat string

// Indexes are fields by collection.
type Indexes map[string][]string

// List is a comma-separated list.
type List []string

// Networks is a comma-separated list of addresses and networks.
type Networks []*net.IPNet

// Size is a number of bytes.
type Size int64
