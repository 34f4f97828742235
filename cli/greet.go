package cli

import (
	"fmt"
	"io"
	"strings"

	"sluice/gateway"
)

// greet prints the next steps. On a first start these are a link and commands to paste; later the names of the files with
// the keys, and how to get the link again. Each start says which credentials are in force.
func greet(w io.Writer, g *gateway.Gateway) {
	base, key, admin := g.BaseURL(), g.FirstKey, g.FirstAdminKey
	fmt.Fprintf(w, "\nSluice is up at %s\n\n", base)
	switch {
	case key.Made || admin.Made:
		fmt.Fprintf(w, "This start made %s. What follows is shown only once.\n\n", made(key, admin))
		greetFirst(w, base, key.Key, admin.Key)
	case key.Key != "" || admin.Key != "":
		greetAgain(w, base, key, admin)
	default:
		fmt.Fprint(w, "The dashboard is at the same address. It asks for a key.\n\n")
	}
	for i, c := range g.InForce() {
		if i == 0 {
			fmt.Fprint(w, "In force:\n\n")
		}
		fmt.Fprintf(w, "  %-13s %s\n", c.Kind, c.Which)
	}
	fmt.Fprintln(w)
}

func made(key, admin gateway.FirstKey) string {
	switch {
	case !key.Made:
		return "an admin key"
	case !admin.Made:
		return "an API key that may do everything"
	}
	return "an API key that may do everything, and an admin key"
}

func greetFirst(w io.Writer, base, key, admin string) {
	fmt.Fprintf(w, "Open the dashboard with this link. It contains the keys:\n\n  %s\n\n", link(base, key, admin))
	if key == "" {
		return
	}
	fmt.Fprintf(w, "Watch events in one terminal:\n\n  curl -N -H 'x-apikey: %[1]s' %[2]s/realtime\n\n"+
		"Publish one in another:\n\n  curl -H 'x-apikey: %[1]s' -H 'Content-Type: application/json' -d '{\"event\":\"hello\",\"data\":\"world\"}' %[2]s/realtime\n\n", key, base)
}

func greetAgain(w io.Writer, base string, key, admin gateway.FirstKey) {
	fmt.Fprintf(w, "This prints the link that opens the dashboard:\n\n  echo \"%s\"\n\n", link(base, content(key), content(admin)))
	if key.Key != "" {
		fmt.Fprintf(w, "This watches events:\n\n  curl -N -H \"x-apikey: %s\" %s/realtime\n\n", content(key), base)
	}
}

// link is the address of the dashboard with keys in its fragment, which browsers send to no server.
func link(base, key, admin string) string {
	var parts []string
	if key != "" {
		parts = append(parts, "apikey="+key)
	}
	if admin != "" {
		parts = append(parts, "admin="+admin)
	}
	return base + "/#" + strings.Join(parts, "&")
}

// content is what a shell replaces by a key.
func content(k gateway.FirstKey) string {
	if k.Key == "" {
		return ""
	}
	return "$(cat " + shellQuote(k.File) + ")"
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
