package httperr

import "sluice/auth"

// Codes are the stable words of error answers: clients may decide on them, metrics count them.
// docs/protocol.md has a table of them, which says for each whether the same request can succeed later.
const (
	MethodNotAllowed     = "method_not_allowed"
	NotFound             = "not_found"
	BadQuery             = "bad_query"
	BadParameter         = "bad_parameter"
	UnexpectedBody       = "unexpected_body"
	OriginNotAllowed     = "origin_not_allowed"
	UnsupportedMediaType = "unsupported_media_type"
	UnsupportedEncoding  = "unsupported_encoding"
	BodyTimeout          = "body_timeout"
	BodyTooLarge         = "body_too_large"
	BodyUnreadable       = "body_unreadable"
	BadJSON              = "bad_json"
	BadEvent             = "bad_event"
	EmptyBatch           = "empty_batch"
	EventTooLarge        = "event_too_large"
	TooManyEvents        = "too_many_events"
	Forbidden            = "forbidden"
	BadIdempotencyKey    = "bad_idempotency_key"
	IdempotencyConflict  = "idempotency_conflict"
	TooManyKeys          = "too_many_idempotency_keys"
	RateLimited          = "rate_limited"
	ExpectFailed         = "expect_failed"
	TooManyConnections   = "too_many_connections"
	TooManyPerKey        = "too_many_connections_per_key"
	TooManyPerRoom       = "too_many_connections_per_room"
	MemoryFull           = "client_memory_full"
	MemoryFullPerKey     = "client_memory_full_per_key"
	Unavailable          = "unavailable"
	DiskFull             = "disk_full"
	UnknownOutcome       = "unknown_outcome"
	Draining             = "draining"
	AdminKey             = auth.InvalidAdminKey
	BadKey               = "bad_key"
	BadRevocation        = "bad_revocation"
	BadToken             = "bad_token_request"
	ReadOnly             = "read_only"
	NoBackup             = "no_backup"
	BadUser              = "bad_user"
	UserExists           = "user_exists"
	VersionMismatch      = "version_mismatch"
	AlreadyCreated       = "already_created"
	RoomFull             = "room_full"
	DatabaseFull         = "database_full"
	TooManyRooms         = "too_many_rooms"
	TooManyRoomsOf       = "too_many_rooms_of_client"
	BadDocument          = "bad_document"
	BadUpdate            = "bad_update"
	IDTaken              = "id_taken"
	DocumentTooLarge     = "document_too_large"
	TooManyDocuments     = "too_many_documents"
	CollectionFull       = "collection_full"
	ResultTooLarge       = "result_too_large"
	QueryTooSlow         = "query_too_slow"
	Busy                 = auth.Busy
	Internal             = "internal"
)

// Codes that only metrics and the audit trail show: the doors that answer with them have codes of their own.
const (
	BadLogin       = "invalid_login"
	TooManySignIns = "too_many_sign_ins"
)

// Codes that only Persistr's door has, as its clients spell them.
const (
	NamespaceNotFound  = "NamespaceNotFound"
	StreamNotFound     = "StreamNotFound"
	EventNotFound      = "EventNotFound"
	AnnotationNotFound = "AnnotationNotFound"
	RoleNotFound       = "RoleNotFound"
	AccountNotFound    = "AccountNotFound"
	NameTaken          = "NameTaken"
	BadName            = "BadName"
	BadPassword        = "BadPassword"
	DuplicateEvent     = "DuplicateEvent"
	TooMany            = "TooMany"
)
