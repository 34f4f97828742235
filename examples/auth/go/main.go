// A Go application that tells the gateway who may see live events. README.md shows how to run it.
package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	gateway    = cmp.Or(os.Getenv("GATEWAY"), "http://127.0.0.1:8080")
	realtime   = cmp.Or(os.Getenv("REALTIME"), gateway+"/realtime") // its address for pages
	pages      = cmp.Or(os.Getenv("PAGES"), "../pages")
	authSecret = []byte(os.Getenv("AUTH_SECRET"))
	adminKey   = os.Getenv("ADMIN_KEY")
)

type user struct {
	id, name, password string
	live               bool
}

// Your application has users and hashed passwords already. These stand for them.
var users = map[string]*user{
	"ann": {"42", "Ann", "ann", true},
	"bob": {"43", "Bob", "bob", false},
}

// sessions are here and not in the cookie, so that a logout ends them. A real application has a table for them.
var sessions struct {
	sync.Mutex
	users map[string]*user
}

const cookieName = "session"

func main() {
	if len(authSecret) == 0 || adminKey == "" {
		log.Fatal("AUTH_SECRET and ADMIN_KEY are not set")
	}
	sessions.users = map[string]*user{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /logout", logout)
	mux.HandleFunc("GET /realtime-auth", realtimeAuth)
	server := &http.Server{Addr: "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "8000"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// current returns the user of a request, and the id of the session; nil without one.
func current(r *http.Request) (*user, string) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, ""
	}
	sessions.Lock()
	defer sessions.Unlock()
	return sessions.users[cookie.Value], cookie.Value
}

func setCookie(w http.ResponseWriter, id string, maxAge int) {
	// Lax: no form of another site is sent with it.
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func page(w http.ResponseWriter, status int, name string, values ...string) {
	text, err := os.ReadFile(filepath.Join(pages, name+".html"))
	if err != nil {
		http.Error(w, "run it in its folder, or set PAGES", http.StatusInternalServerError)
		return
	}
	for i := 1; i < len(values); i += 2 {
		values[i] = html.EscapeString(values[i])
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	strings.NewReplacer(append(values, "{{csrf}}", "", "{{message}}", "", "{{realtime}}", realtime)...).WriteString(w, string(text))
}

func index(w http.ResponseWriter, r *http.Request) {
	if u, _ := current(r); u != nil {
		page(w, http.StatusOK, "live", "{{name}}", u.name)
	} else {
		page(w, http.StatusOK, "login")
	}
}

func login(w http.ResponseWriter, r *http.Request) {
	u := users[r.PostFormValue("name")]
	if u == nil || subtle.ConstantTimeCompare([]byte(u.password), []byte(r.PostFormValue("password"))) == 0 {
		page(w, http.StatusUnauthorized, "login", "{{message}}", "The name or the password is wrong.")
		return
	}
	_, old := current(r)
	id := rand.Text()
	sessions.Lock()
	delete(sessions.users, old)
	sessions.users[id] = u
	sessions.Unlock()
	setCookie(w, id, 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func logout(w http.ResponseWriter, r *http.Request) {
	if u, id := current(r); u != nil {
		sessions.Lock()
		delete(sessions.users, id)
		sessions.Unlock()
		endStreams(u.id) // after the session's end: the page connects again, and must be refused
	}
	setCookie(w, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func realtimeAuth(w http.ResponseWriter, r *http.Request) {
	if !fromGateway(r.Header) {
		answer(w, http.StatusBadRequest, map[string]any{"message": "AUTH_SECRET is not the gateway's"})
		return
	}
	u, _ := current(r)
	switch {
	case u == nil:
		answer(w, http.StatusUnauthorized, map[string]any{"message": "log in first"}) // not a redirect to the login page
	case !u.live:
		answer(w, http.StatusForbidden, map[string]any{"message": "your account has no live events"})
	default:
		answer(w, http.StatusOK, map[string]any{
			"subject": u.id, "name": u.name, "sub": []string{"inbox-" + u.id, "news"}, "pub": []string{}, "rest": []string{}, "ttl": "5m",
		})
	}
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

var signatureForm = regexp.MustCompile(`^t=(\d{1,12}),v1=([0-9a-f]{64})$`)

// fromGateway reports whether the gateway asks: only it and we know AUTH_SECRET.
func fromGateway(h http.Header) bool {
	signature := signatureForm.FindStringSubmatch(h.Get("Sluice-Signature"))
	if signature == nil {
		return false
	}
	mac := hmac.New(sha256.New, authSecret)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", signature[1], h.Get("X-Forwarded-Method"), h.Get("X-Forwarded-Uri"), h.Get("X-Forwarded-For"))
	given, err := hex.DecodeString(signature[2])
	seconds, errTime := strconv.ParseInt(signature[1], 10, 64)
	return err == nil && errTime == nil && hmac.Equal(mac.Sum(nil), given) && time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Minute
}

// endStreams ends the user's streams now. Without it they would end when the gateway asks again, within the ttl.
func endStreams(subject string) {
	body, err := json.Marshal(map[string]string{"subject": subject})
	if err != nil {
		log.Print(err)
		return
	}
	r, err := http.NewRequest(http.MethodPost, gateway+"/admin/revocations", bytes.NewReader(body))
	if err != nil {
		log.Print(err)
		return
	}
	r.Header.Set("x-apikey", adminKey)
	r.Header.Set("Content-Type", "application/json")
	a, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	if err == nil {
		a.Body.Close()
		if a.StatusCode != http.StatusNoContent && a.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", a.StatusCode)
		}
	}
	if err != nil {
		log.Printf("the streams of %s were not ended: %v", subject, err)
	}
}
