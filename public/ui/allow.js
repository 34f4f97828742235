// What would allow a request that was refused: a setting, or another page of the dashboard. A Go test compares the codes and the
// settings with the gateway's own.

// words are by code, and by code and door where a door means another thing by it.
const words = {
  invalid_key: "Keys are in API_KEYS or API_KEYS_FILE, or are made on the page Keys.",
  invalid_admin_key: "The admin key is the setting ADMIN_KEY. Without it, the first start has made one, in DATA_DIR.",
  invalid_token: "Tokens of your own issuer need JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL, and what JWT_ISSUER and JWT_AUDIENCE say.",
  keys_unavailable: "The keys of tokens are fetched from JWT_JWKS_URL.",
  query_credential: "QUERY_CREDENTIALS=true would accept it in the address.",
  missing_credential: "With AUTH_URL your application can decide about requests without a credential.",
  "missing_credential directus": "WEBSOCKET_AUTH=public would let sockets in without a credential.",
  application_refused: "The application of AUTH_URL decides this.",
  origin_not_allowed: "CORS_ORIGINS, and the origins of the key, say which pages may.",
  cookie_origin_not_allowed: "CORS_ORIGINS says which pages may use the cookie.",
  forbidden: "The key's grant would have to name it. REALTIME_GLOBAL=true lets every key use all channels.",
  "forbidden rest": "The grant's documents would have to name it.",
  "forbidden directus": "The grant's documents would have to name it.",
  "forbidden rooms": "ROOM_CREATE says who may make rooms.",
  "forbidden persistr": "The account needs a role in the database: see Accounts.",
  "forbidden admin": "A token may grant no more than its key: change the key first.",
  too_many_tries: "If the gateway is behind a proxy, set TRUSTED_PROXIES.",
  rate_limited: "PUBLISH_RATE, or the rate of the key, would allow more.",
  "rate_limited rooms": "ROOM_RATE, ROOM_CONNECTION_RATE and ROOM_CREATE_RATE would allow more.",
  too_many_connections: "MAX_CONNECTIONS would allow more.",
  too_many_connections_per_key: "MAX_CONNECTIONS_PER_KEY would allow more.",
  too_many_connections_per_room: "MAX_ROOM_CONNECTIONS would allow more.",
  too_many_rooms: "MAX_ROOMS would allow more.",
  too_many_rooms_of_client: "ROOM_CREATE_RATE would allow more.",
  room_full: "MAX_ROOM_BYTES and MAX_ROOM_KEYS would allow more.",
  database_full: "MAX_DATABASE_BYTES and MAX_ACCOUNT_BYTES would allow more.",
  client_memory_full: "MAX_CLIENT_MEMORY would allow more.",
  client_memory_full_per_key: "MAX_MEMORY_PER_KEY would allow more.",
  body_too_large: "MAX_BODY would allow more.",
  body_timeout: "READ_TIMEOUT would wait longer.",
  event_too_large: "MAX_EVENT would allow more.",
  document_too_large: "MAX_DOCUMENT would allow more.",
  collection_full: "MAX_DOCUMENTS, MAX_COLLECTION_BYTES and MAX_COLLECTIONS would allow more.",
  result_too_large: "MAX_RESULT would allow more.",
  query_too_slow: "QUERY_TIME would allow more.",
  no_backup: "DATA_DIR has to name a folder.",
  read_only: "This key is in API_KEYS or API_KEYS_FILE: change it there.",
  disk_full: "Smaller RETAIN_BYTES, or fewer backups, would make room.",
};

// allow is what would allow what a door refused with a code; "" if nothing would.
export const allow = (code, door = "") => words[`${code} ${door}`] ?? words[code] ?? "";

const names = /\b[A-Z]+(?:_[A-Z]+)+\b/g;

// allowed is a refusal's message, and what would allow it where the message does not name the setting itself.
export function allowed(said, code) {
  const more = allow(code);
  if (!more || (more.match(names) ?? []).some(name => said.includes(name))) return said;
  return `${said.replace(/[.\s]*$/, "")}. ${more}`;
}
