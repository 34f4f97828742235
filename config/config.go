package config

import (
	"log/slog"
	"net"
	"time"
)

// Config holds the checked settings. Each field has tags:
//
//   - group begins a group of settings for one purpose (see groups in docs.go); fields without it belong to the one before;
//   - env is the name, envDefault the default as text, doc the line in the documents;
//   - min and max are the bounds;
//   - memory marks a default that is made for FullMemory, and is lower where there is less;
//   - secret masks the value wherever it is printed ("url": only where it has an @ or a ?).
type Config struct {
	Addr         string        `group:"start" env:"ADDR" envDefault:"127.0.0.1:8080" doc:"address to listen on; beyond loopback, a credential must be configured"`
	DataDir      string        `env:"DATA_DIR" envDefault:"./data" doc:"folder of the log; 'memory' stores nothing on disk: up to 256 MiB, gone when the process ends"`
	Durability   Durability    `env:"DURABILITY" envDefault:"process" doc:"what a stored event survives: with 'process' a kill of the process, with 'disk' also a power cut (fsync before the answer)"`
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"longest time from SIGTERM to the end of the process"`

	APIKeys          string `group:"who" env:"API_KEYS" secret:"true" doc:"JSON list of keys: [{\"name\",\"key\" or \"sha256\",\"sub\",\"pub\",\"rest\",\"origins\",\"rate\",\"frames\",\"expires\"}]"`
	APIKeysFile      string `env:"API_KEYS_FILE" doc:"file with such a list; the gateway reads it again when it changes, or on SIGHUP"`
	AdminKey         string `env:"ADMIN_KEY" secret:"true" doc:"the administrator's key, 16 characters or more"`
	TokenSecret      string `env:"TOKEN_SECRET" secret:"true" doc:"secret that signs the gateway's own tokens, 32 bytes or more; set it where several gateways share tokens"`
	RealtimeGlobal   bool   `env:"REALTIME_GLOBAL" envDefault:"false" doc:"let every configured key and every valid token subscribe and publish to everything in /realtime"`
	QueryCredentials bool   `env:"QUERY_CREDENTIALS" envDefault:"true" doc:"also accept keys and tokens in the query (without CREDENTIAL_COOKIE, a browser's EventSource cannot send them in another way)"`

	JWTSecret        List          `group:"tokens" env:"JWT_SECRET" secret:"true" doc:"secrets for HS256/384/512, comma-separated for rotation, each 32 bytes or more"`
	JWTPublicKeyFile string        `env:"JWT_PUBLIC_KEY_FILE" doc:"PEM file with one or more public keys (RSA, EC, Ed25519); the gateway reads it again when it changes, or on SIGHUP"`
	JWTJWKSURL       string        `env:"JWT_JWKS_URL" secret:"url" doc:"https address of a JSON Web Key Set (http only on loopback)"`
	JWTJWKSRefresh   time.Duration `env:"JWT_JWKS_REFRESH" envDefault:"5m" min:"1s" max:"24h" doc:"time between two fetches of JWT_JWKS_URL; when a key has gone from the set, its tokens' streams end"`
	JWTIssuer        string        `env:"JWT_ISSUER" doc:"the iss that every token must have"`
	JWTAudience      string        `env:"JWT_AUDIENCE" doc:"the aud that every token must have"`
	JWTLeeway        time.Duration `env:"JWT_LEEWAY" envDefault:"10s" min:"0s" max:"5m" doc:"clock difference allowed for nbf and iat; exp is exact"`
	JWTDefaultSub    List          `env:"JWT_DEFAULT_SUB" doc:"patterns that every valid token may subscribe to; {sub} stands for the token's subject, as text inside one name"`
	JWTDefaultPub    List          `env:"JWT_DEFAULT_PUB" doc:"patterns that every valid token may publish to; {sub} stands for the token's subject, as text inside one name"`

	AuthURL         string        `group:"application" env:"AUTH_URL" secret:"url" doc:"https address (http only on loopback) of your application, which decides about requests without a credential of the gateway"`
	AuthForward     List          `env:"AUTH_FORWARD" envDefault:"Cookie,Authorization" doc:"request headers that AUTH_URL gets, comma-separated"`
	AuthTimeout     time.Duration `env:"AUTH_TIMEOUT" envDefault:"3s" min:"10ms" max:"1m" doc:"time in which AUTH_URL must answer, and that a question may wait for its turn"`
	AuthGrace       time.Duration `env:"AUTH_GRACE" envDefault:"1m" min:"0s" max:"24h" doc:"how long open streams go on after their answer has ended while AUTH_URL gives no new one"`
	AuthConcurrency int           `env:"AUTH_CONCURRENCY" envDefault:"64" min:"1" max:"10000" doc:"questions to AUTH_URL at the same time"`
	AuthSecret      string        `env:"AUTH_SECRET" secret:"true" doc:"secret that signs the questions to AUTH_URL, 32 bytes or more"`

	CORSOrigins      List   `group:"browsers" env:"CORS_ORIGINS" envDefault:"*" doc:"origins whose pages may use the gateway, comma-separated, or * for all"`
	CORSHeaders      List   `env:"CORS_HEADERS" doc:"request headers, comma-separated, that pages may send in addition to those that the gateway reads, such as traceparent,baggage"`
	CredentialCookie string `env:"CREDENTIAL_COOKIE" doc:"name of a cookie that carries an API key or a token, such as __Host-session; CORS_ORIGINS must then list origins by name, and only their pages and the gateway's own may make changes by it"`

	CustomEventFrame Frame         `group:"streams" env:"CUSTOM_EVENT_FRAME" envDefault:"name" doc:"name of a custom event's frame: 'name' uses the event's name, 'publish' uses publish for all, as RestDB's clients expect"`
	PingInterval     time.Duration `env:"PING_INTERVAL" envDefault:"15s" min:"100ms" max:"1h" doc:"time between pings on each stream"`
	RetryConnect     time.Duration `env:"RETRY_CONNECT" envDefault:"2s" min:"1ms" max:"1h" doc:"the retry that a stream begins with"`
	RetryEvent       time.Duration `env:"RETRY_EVENT" envDefault:"10s" min:"0s" max:"1h" doc:"the retry after each event; 0 leaves the line out"`

	RetainAge        time.Duration `group:"retention" env:"RETAIN_AGE" envDefault:"72h" min:"1ms" max:"876000h" doc:"how long /realtime keeps events"`
	RetainBytes      Size          `env:"RETAIN_BYTES" envDefault:"4GiB" min:"1B" doc:"bytes of events that /realtime keeps, removed in steps of 1/32; the first limit of RETAIN_AGE and RETAIN_BYTES that is reached counts"`
	AuditRetainAge   time.Duration `env:"AUDIT_RETAIN_AGE" envDefault:"2160h" min:"1ms" max:"876000h" doc:"how long the audit trail keeps entries"`
	AuditRetainBytes Size          `env:"AUDIT_RETAIN_BYTES" envDefault:"64MiB" min:"1B" doc:"bytes that each part of the audit trail keeps: acts of administrators, acts of clients, and refusals"`

	MaxConnections       int           `group:"limits" env:"MAX_CONNECTIONS" envDefault:"0" min:"0" doc:"streams open at once; 0 is no limit"`
	MaxConnectionsPerKey int           `env:"MAX_CONNECTIONS_PER_KEY" envDefault:"0" min:"0" doc:"streams open at once for each API key, or for each issuer and subject of tokens; 0 is no limit"`
	MaxMemoryPerKey      Size          `env:"MAX_MEMORY_PER_KEY" envDefault:"64MiB" min:"1MiB" memory:"true" doc:"bytes of memory for all connections of one API key, or of one issuer and subject of tokens"`
	MaxClientMemory      Size          `env:"MAX_CLIENT_MEMORY" envDefault:"256MiB" min:"1MiB" memory:"true" doc:"bytes of memory for all clients together; a quarter of it is reserved for clients that use little"`
	PublishRate          float64       `env:"PUBLISH_RATE" envDefault:"0" min:"0" max:"1000000000" doc:"events a second for each key without a rate of its own; 0 is no limit"`
	MaxBody              Size          `env:"MAX_BODY" envDefault:"1MiB" min:"1B" doc:"bytes of a request's body"`
	MaxEvent             Size          `env:"MAX_EVENT" envDefault:"64KiB" min:"1B" doc:"bytes of one event as delivered"`
	ReadHeaderTimeout    time.Duration `env:"READ_HEADER_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"time in which the head of a request must arrive"`
	ReadTimeout          time.Duration `env:"READ_TIMEOUT" envDefault:"20s" min:"1ms" max:"1h" doc:"time in which the body of a request must arrive"`
	WriteTimeout         time.Duration `env:"WRITE_TIMEOUT" envDefault:"30s" min:"1ms" max:"1h" doc:"a connection that accepts no byte for this time is closed"`

	CollectionIndexes    Indexes       `group:"documents" env:"COLLECTION_INDEXES" doc:"fields of documents to index, such as messages:date_created,user;customer:name"`
	MaxDocument          Size          `env:"MAX_DOCUMENT" envDefault:"64KiB" min:"1B" doc:"bytes of one document"`
	MaxDocuments         int           `env:"MAX_DOCUMENTS" envDefault:"1000000" min:"1" doc:"documents in one collection"`
	MaxCollectionBytes   Size          `env:"MAX_COLLECTION_BYTES" envDefault:"1GiB" min:"1B" doc:"bytes of all documents in one collection"`
	MaxCollections       int           `env:"MAX_COLLECTIONS" envDefault:"1000" min:"1" doc:"collections of documents"`
	MaxResult            Size          `env:"MAX_RESULT" envDefault:"16MiB" min:"1B" memory:"true" doc:"bytes of all documents in one answer"`
	QueryTime            time.Duration `env:"QUERY_TIME" envDefault:"2s" min:"1ms" max:"1m" doc:"time that a query of documents may take"`
	WebSocketAuth        SocketAuth    `env:"WEBSOCKET_AUTH" envDefault:"handshake" doc:"how a client of /websocket authenticates: 'handshake' with its first message, 'public' with any message or not at all, 'strict' when it connects, with ?access_token= in the address or with CREDENTIAL_COOKIE"`
	WebSocketAuthTimeout time.Duration `env:"WEBSOCKET_AUTH_TIMEOUT" envDefault:"10s" min:"1ms" max:"1h" doc:"time that a client of /websocket has to authenticate"`
	WebSocketHeartbeat   time.Duration `env:"WEBSOCKET_HEARTBEAT" envDefault:"30s" min:"100ms" max:"1h" doc:"time between pings on each WebSocket of /websocket; one that sends nothing between two pings is closed"`
	MaxPending           int           `env:"MAX_PENDING" envDefault:"1000" min:"8" memory:"true" doc:"WebSockets of /websocket that have not authenticated yet; one client address may have an eighth of them; above either limit, the oldest is closed"`

	RoomCreate         RoomCreate    `group:"rooms" env:"ROOM_CREATE" envDefault:"off" doc:"who may make rooms (by POST /new, or by opening one that does not exist): 'off' nobody, 'open' everybody, 'key' every client with an API key or a token"`
	RoomRetention      time.Duration `env:"ROOM_RETENTION" envDefault:"24h" min:"1s" max:"876000h" doc:"time without messages after which a room is dropped"`
	RoomUnused         time.Duration `env:"ROOM_UNUSED" envDefault:"10m" min:"1s" max:"876000h" doc:"time without clients after which a room is dropped, if nothing was ever pushed to it"`
	MaxRooms           int           `env:"MAX_ROOMS" envDefault:"100000" min:"1" doc:"rooms at the same time; together they hold at most MAX_ROOMS times MAX_ROOM_BYTES"`
	MaxRoomBytes       Size          `env:"MAX_ROOM_BYTES" envDefault:"4MiB" min:"1B" doc:"bytes that a room may retain"`
	MaxRoomKeys        int           `env:"MAX_ROOM_KEYS" envDefault:"10000" min:"1" doc:"keys that a room may have"`
	MaxRoomConnections int           `env:"MAX_ROOM_CONNECTIONS" envDefault:"10000" min:"1" doc:"streams and WebSockets open at once in one room"`
	RoomCreateRate     int           `env:"ROOM_CREATE_RATE" envDefault:"60" min:"1" max:"1000000000" doc:"rooms a minute that one client address (of IPv6: one /64) may make without a credential; the same number may be made at once"`
	RoomCreateRateAll  int           `env:"ROOM_CREATE_RATE_ALL" envDefault:"600" min:"1" max:"1000000000" doc:"rooms a minute that all clients without a credential may make together; the same number may be made at once"`
	RoomCreateRateKey  int           `env:"ROOM_CREATE_RATE_KEY" envDefault:"6000" min:"1" max:"1000000000" doc:"rooms a minute that one credential may make; the same number may be made at once"`
	RoomRate           int           `env:"ROOM_RATE" envDefault:"2000" min:"1" max:"1000000000" doc:"pushes a second that a room stores, and relays a second that it passes on; above it, WebSockets are read more slowly and POSTs get a 429"`
	RoomConnectionRate int           `env:"ROOM_CONNECTION_RATE" envDefault:"300" min:"1" max:"1000000000" doc:"messages a second that one WebSocket of a room may send; above it, the WebSocket is read more slowly"`
	RoomFloodTimeout   time.Duration `env:"ROOM_FLOOD_TIMEOUT" envDefault:"5m" min:"1s" max:"876000h" doc:"a WebSocket is closed when ROOM_CONNECTION_RATE has delayed it for this time in all, without a pause"`

	PersistrDemo     bool `group:"databases" env:"PERSISTR_DEMO" envDefault:"false" doc:"make an account demo with the password demo, which owns a database demo; for a first try only: it works on loopback, with a loopback Host"`
	MaxDatabases     int  `env:"MAX_DATABASES" envDefault:"100" min:"1" doc:"databases that one account may make; those that root makes count for no account"`
	MaxDatabaseBytes Size `env:"MAX_DATABASE_BYTES" envDefault:"1GiB" min:"1B" doc:"bytes that one database may hold: events and their index, namespaces and annotations"`
	MaxAccountBytes  Size `env:"MAX_ACCOUNT_BYTES" envDefault:"4GiB" min:"1B" doc:"bytes that all databases of one account may hold together"`

	ClusterURL         string `group:"cluster" env:"CLUSTER_URL" secret:"url" doc:"NATS servers of a cluster of gateways, comma-separated, such as nats://10.0.0.1:4222,nats://10.0.0.2:4222; empty: one gateway alone"`
	ClusterName        string `env:"CLUSTER_NAME" envDefault:"sluice" doc:"name of the cluster, the same at all of its gateways"`
	ClusterNode        string `env:"CLUSTER_NODE" doc:"name of this gateway in its cluster; empty: the name of the machine"`
	ClusterSecret      string `env:"CLUSTER_SECRET" secret:"true" doc:"secret of the cluster, 32 bytes or more, the same at all of its gateways; what they send each other is sealed with it"`
	ClusterCredentials string `env:"CLUSTER_CREDENTIALS" doc:"file with the credentials of a NATS user (.creds)"`
	ClusterCA          string `env:"CLUSTER_CA" doc:"file with the certificates that the NATS servers are checked against"`
	ClusterCert        string `env:"CLUSTER_CERT" doc:"file with the certificate that this gateway shows to the NATS servers"`
	ClusterKey         string `env:"CLUSTER_KEY" doc:"file with the key of CLUSTER_CERT"`

	TLSCertFile    string   `group:"tls" env:"TLS_CERT_FILE" doc:"certificate chain for HTTPS and HTTP/2; the gateway reads it again when it changes"`
	TLSKeyFile     string   `env:"TLS_KEY_FILE" doc:"private key of TLS_CERT_FILE"`
	TrustedProxies Networks `env:"TRUSTED_PROXIES" doc:"addresses or networks, comma-separated, of proxies whose X-Forwarded-* headers are used"`

	LogLevel    slog.Level `group:"logs" env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat   LogFormat  `env:"LOG_FORMAT" envDefault:"text" doc:"text or json"`
	MetricsAddr string     `env:"METRICS_ADDR" doc:"a second address to listen on, for metrics and pprof, without a credential; on loopback, requests must have a loopback Host"`

	settings []Setting
	unknown  []string
}

// Durability is what a stored event survives.
type Durability string

const (
	DurabilityProcess Durability = "process"
	DurabilityDisk    Durability = "disk"
)

// Frame chooses the name of a custom event's frame.
type Frame string

const (
	FrameName    Frame = "name"    // the event's name
	FramePublish Frame = "publish" // publish, for all custom events
)

// RoomCreate chooses who may make rooms.
type RoomCreate string

const (
	RoomsOff  RoomCreate = "off"  // nobody
	RoomsOpen RoomCreate = "open" // everybody
	RoomsKey  RoomCreate = "key"  // every client with an API key or a token
)

// SocketAuth chooses how a client of /websocket authenticates.
type SocketAuth string

const (
	SocketHandshake SocketAuth = "handshake" // with its first message
	SocketPublic    SocketAuth = "public"    // with any message, or not at all
	SocketStrict    SocketAuth = "strict"    // with ?access_token= in the address, or a cookie
)

// LogFormat is text or json.
type LogFormat string

// Indexes has the fields to index, by collection.
type Indexes map[string][]string

// List is a comma-separated list.
type List []string

// Networks is a comma-separated list of addresses and networks.
type Networks []*net.IPNet

// Size is a number of bytes.
type Size int64
