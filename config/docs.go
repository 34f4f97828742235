package config

import (
	"fmt"
	"strings"
)

// Markers of the tables in docs/settings.md.
const (
	TablesBegin = "<!-- settings:begin -->"
	TablesEnd   = "<!-- settings:end -->"
)

// group is what some settings are for. about names the page that explains them; links are relative to docs/.
type group struct{ name, title, about string }

// groups are in the order of the fields of Config.
var groups = []group{
	{"start", "Start a gateway", "Where it listens, where it stores events, and how it ends. [operations.md](operations.md#stopping-and-restarting)"},
	{"who", "Say who may do what", "API keys, and the administrator. [browsers.md](browsers.md) compares the ways, [admin.md](admin.md) makes keys while the gateway runs."},
	{"tokens", "Accept tokens of your own", "JWTs that your application or your identity provider signs. [browsers.md](browsers.md#a-token-in-the-address)"},
	{"application", "Let your own application decide", "The gateway asks it what a session may do. [browsers.md](browsers.md#your-own-backend)"},
	{"browsers", "Let pages of browsers in", "Origins of pages, and cookies. [browsers.md](browsers.md)"},
	{"streams", "Change what streams look like", "The names of frames, pings and times for reconnecting. [protocol.md](protocol.md)"},
	{"retention", "Decide how long events stay", "Of the events of `/realtime`, and of the audit trail. [operations.md](operations.md#disk)"},
	{"limits", "Limit what clients may use", "[sizing.md](sizing.md) computes what a machine can take, [protocol.md](protocol.md#limits) has all limits. `PUBLISH_RATE` and `MAX_CONNECTIONS_PER_KEY` hold for every key. One key can have a `rate`, `origins` and `expires` of its own: set them in `API_KEYS`, or [in the dashboard or by /admin/keys](admin.md#keys)."},
	{"documents", "Serve documents to RestDB's and Directus' clients", "Bounds of collections and queries, and the WebSockets of `/websocket`. [documents-restdb.md](documents-restdb.md), [documents-directus.md](documents-directus.md)"},
	{"rooms", "Share state in rooms", "Who may make rooms, and how much they hold. [rooms.md](rooms.md)"},
	{"databases", "Keep databases of event streams", "Bounds of databases and accounts. [event-streams.md](event-streams.md)"},
	{"cluster", "Run several gateways as one", "The same log at all of them. [cluster.md](cluster.md)"},
	{"tls", "Use TLS and proxies", "Certificates, and proxies in front. Behind nginx: take [deploy/nginx.conf](../deploy/nginx.conf) and set `TRUSTED_PROXIES=127.0.0.1`. [operations.md](operations.md#behind-a-proxy)"},
	{"logs", "See what happens", "The log and the metrics. [operations.md](operations.md#metrics)"},
}

// each calls f with each group and its settings.
func each(f func(g group, fields []field)) {
	of := map[string][]field{}
	for _, one := range fieldsOf(&Config{}) {
		of[one.group] = append(of[one.group], one)
	}
	for _, g := range groups {
		f(g, of[g.name])
	}
}

// EnvExample is the text of .env.example.
func EnvExample() string {
	var b strings.Builder
	b.WriteString("# Every setting with its default. Copy this file to .env, and remove the # before each setting that you change.\n# The environment wins over .env. Put a value that has $, # or quotes in it between single quotes.\n# docs/settings.md explains them. Made by go generate ./config.\n")
	each(func(g group, fields []field) {
		fmt.Fprintf(&b, "\n\n# ---- %s ----\n", g.title)
		for _, f := range fields {
			fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", f.described(), f.name, f.fallback)
		}
	})
	return b.String()
}

// described is the doc of a setting and what all settings of its kind have in common.
func (f *field) described() string {
	if f.scaled {
		return f.doc + " (with less than 1 GiB of memory, the default is lower)"
	}
	if file := f.fileSetting(); file != "" {
		return f.doc + "; or set " + file + " to the name of a file that contains the value"
	}
	return f.doc
}

// Tables are the tables of docs/settings.md, in Markdown: one for each group.
func Tables() string {
	var b strings.Builder
	each(func(g group, fields []field) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| setting | default | meaning |\n| --- | --- | --- |\n", g.title, g.about)
		for _, f := range fields {
			fallback := ""
			if f.fallback != "" {
				fallback = "`" + f.fallback + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, fallback, strings.ReplaceAll(f.described(), "|", `\|`))
		}
	})
	return b.String()
}

// WithTables returns a page with new tables between its markers.
func WithTables(page string) (string, error) {
	head, rest, ok := strings.Cut(page, TablesBegin)
	_, tail, ok2 := strings.Cut(rest, TablesEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("docs/settings.md has no %s … %s", TablesBegin, TablesEnd)
	}
	return head + TablesBegin + "\n" + Tables() + TablesEnd + tail, nil
}
