package audit

import "net/http"

// Action names what somebody did or tried. It is also the name of the entry's event.
type Action string

// The actions.
const (
	KeyCreate         Action = "key.create"
	KeyChange         Action = "key.change"
	KeyDelete         Action = "key.delete"
	UserCreate        Action = "user.create"
	UserChange        Action = "user.change"
	UserDelete        Action = "user.delete"
	TokenCreate       Action = "token.create"
	TokenRevoke       Action = "token.revoke"
	ConnectionCut     Action = "connection.cut"
	BackupCreate      Action = "backup.create"
	BackupDelete      Action = "backup.delete"
	AccountCreate     Action = "account.create"
	AccountDelete     Action = "account.delete"
	AccountActivate   Action = "account.activate"
	AccountDeactivate Action = "account.deactivate"
	DatabaseCreate    Action = "database.create"
	DatabaseDrop      Action = "database.drop"
	DatabaseRename    Action = "database.rename"
	DatabaseClone     Action = "database.clone"
	DatabaseGrant     Action = "database.grant"
	DatabaseRevoke    Action = "database.revoke"
	NamespaceCreate   Action = "namespace.create"
	NamespaceDrop     Action = "namespace.drop"
	NamespaceRename   Action = "namespace.rename"
	NamespaceTruncate Action = "namespace.truncate"
	StreamDrop        Action = "stream.drop"
	EventDrop         Action = "event.drop"
	EventRetract      Action = "event.retract"
	RoomDrop          Action = "room.drop"
	DocumentChange    Action = "document.change"
	DocumentDelete    Action = "document.delete"
	Login             Action = "login"
	Logout            Action = "logout"
	CredentialRefuse  Action = "credential.refuse"
)

// routes has the requests that are actions, by path and method.
var routes = map[string]map[string]Action{
	"/admin/keys":            {http.MethodPost: KeyCreate},
	"/admin/keys/:id":        {http.MethodPatch: KeyChange, http.MethodDelete: KeyDelete},
	"/admin/keys/:id/tokens": {http.MethodPost: TokenCreate},
	"/admin/users":           {http.MethodPost: UserCreate},
	"/admin/users/:email":    {http.MethodPatch: UserChange, http.MethodDelete: UserDelete},
	"/admin/revocations":     {http.MethodPost: TokenRevoke},
	"/admin/connections/:id": {http.MethodDelete: ConnectionCut},
	"/admin/backup":          {http.MethodPost: BackupCreate},
	"/admin/backups/:name":   {http.MethodDelete: BackupDelete},

	"/accounts/:account":            {http.MethodPost: AccountCreate, http.MethodDelete: AccountDelete},
	"/accounts/:account/activate":   {http.MethodPost: AccountActivate},
	"/accounts/:account/deactivate": {http.MethodPost: AccountDeactivate},

	"/db/:db":                        {http.MethodPut: DatabaseCreate, http.MethodDelete: DatabaseDrop},
	"/db/:db/rename":                 {http.MethodPost: DatabaseRename},
	"/db/:db/clone":                  {http.MethodPost: DatabaseClone},
	"/db/:db/grant":                  {http.MethodPost: DatabaseGrant},
	"/db/:db/revoke":                 {http.MethodPost: DatabaseRevoke},
	"/db/:db/ns/:ns":                 {http.MethodPut: NamespaceCreate, http.MethodDelete: NamespaceDrop},
	"/db/:db/ns/:ns/rename":          {http.MethodPost: NamespaceRename},
	"/db/:db/ns/:ns/contents":        {http.MethodDelete: NamespaceTruncate},
	"/db/:db/streams/:stream":        {http.MethodDelete: StreamDrop},
	"/db/:db/ns/:ns/streams/:stream": {http.MethodDelete: StreamDrop},
	"/db/:db/ns/:ns/streams/:stream/events/:event": {http.MethodDelete: EventDrop},

	"/realtime": {http.MethodDelete: EventRetract},

	"/admin/events/:id":                  {http.MethodDelete: EventRetract},
	"/admin/rooms/:room":                 {http.MethodDelete: RoomDrop},
	"/admin/collections/:collection/:id": {http.MethodPut: DocumentChange, http.MethodDelete: DocumentDelete},

	"/auth/login":  {http.MethodPost: Login},
	"/auth/logout": {http.MethodPost: Logout},
}

// Of returns the action of a request to a route, "" if it is none.
func Of(method, route string) Action { return routes[route][method] }
