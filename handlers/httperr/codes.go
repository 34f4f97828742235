package httperr

// Codes are the stable words of error answers: clients may decide on them, metrics count them.
// Whether a repeat can help is said by the status: 408, 429 and 503 pass, all others need a
// change of the request, the credential or the settings.
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
	Unavailable          = "unavailable"
	UnknownOutcome       = "unknown_outcome"
	Draining             = "draining"
	AdminKey             = "invalid_admin_key"
	BadKey               = "bad_key"
	BadToken             = "bad_token_request"
	ReadOnly             = "read_only"
	Internal             = "internal"
)
