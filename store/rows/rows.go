// Package rows is the registry of row prefixes. All rows of the log's store share one space of keys, so each kind of row has
// a prefix of its own, and all prefixes stand here.
//
// Invariants: a prefix ends with a slash, and none begins with another one, so reading the rows of one kind never gives rows
// of another. The prefixes are stored on disks, so they never change.
package rows

// The prefixes, by the package that owns the rows. The comment shows what follows the prefix, and the value.
const (
	// store/eventlog
	Keyed   = "keyed/"           // SPACE -> last number, id of the last event
	Origin  = "journal/origin/"  // ID of a process of a cluster -> number and time of its last message
	Cluster = "journal/cluster/" // NAME of the cluster that the log belongs to -> when it was made
	Level   = "journal/level/"   // used -> the level of the formats that the log's gateways write
	Member  = "journal/member/"  // NAME of a gateway -> the newest level that it reads, and when it was there
	Retract = "retract/"         // a part of an id -> id of the event that was last taken out

	// store/streams
	Database   = "db/d/" // NAME -> the database
	Namespace  = "db/n/" // ID/NAMESPACE -> nothing
	Annotation = "db/a/" // ID/mapped stream -> the annotation
	Cloning    = "db/c/" // /ID, or NAME in older versions -> ID of the clone under way
	Retired    = "db/r/" // NAME -> who gave it up

	// store/documents
	Document = "document/" // COLLECTION/key of the id -> the document
	Index    = "index/"    // COLLECTION/FIELD, key of the value, key of the id -> id
	Indexed  = "indexed/"  // COLLECTION/FIELD -> how far the index is built
	Counted  = "counted/"  // COLLECTION -> number of documents, their bytes

	// store/subscriptions
	Subscription = "subscription/name/" // NAME -> whose it is, what it takes, and until when it stays
	Channels     = "subscription/list/" // NAME -> the channels that it stands for

	// auth
	Key            = "key/"         // ID -> the API key
	Once           = "once/"        // hash of an idempotency key -> ID of the API key that it made
	Secret         = "secret/"      // NAME -> a secret that all gateways of the log share
	Minter         = "minter/"      // ID of a key of the settings -> when it was removed
	RevokedJTI     = "revoked/jti/" // JTI -> time of the revocation
	RevokedSubject = "revoked/sub/" // SUBJECT -> time of the revocation
	User           = "user/"        // EMAIL -> the user
	Session        = "session/"     // user's ID/session's ID -> the session
	Account        = "account/"     // USERNAME -> the account
)
