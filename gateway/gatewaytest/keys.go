package gatewaytest

import "fmt"

// Keys of the tests, by what they may do.
const (
	KeyAll     = "key-all-0123456789"
	KeyNone    = "key-none-0123456789"
	KeyPut     = "key-put-0123456789"
	KeyOrigin  = "key-origin-0123456789"
	KeyRate    = "key-rate-0123456789"
	KeyPublish = "key-publish-0123456789"
	KeyExpired = "key-expired-0123456789"
	AdminKey   = "admin-0123456789"
)

// Keys is the setting API_KEYS of a gateway whose test changes nothing.
var Keys = fmt.Sprintf(`[
	{"name":"all","key":%q,"sub":["*"],"pub":["*"]},
	{"name":"none","key":%q},
	{"name":"put","key":%q,"sub":["PUT:customer","chat-*"],"pub":["PUT:customer"]},
	{"name":"origin","key":%q,"sub":["*"],"pub":["*"],"origins":["https://a.example"]},
	{"name":"rate","key":%q,"sub":["*"],"pub":["*"],"rate":2},
	{"name":"publish","key":%q,"sub":["*"],"pub":["*"],"frames":"publish"},
	{"name":"expired","key":%q,"sub":["*"],"pub":["*"],"expires":"2020-01-01T00:00:00Z"}
]`, KeyAll, KeyNone, KeyPut, KeyOrigin, KeyRate, KeyPublish, KeyExpired)
