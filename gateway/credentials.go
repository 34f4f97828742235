package gateway

import (
	"net/http"
	"slices"

	"sluice/auth"
	"sluice/auth/backend"
	"sluice/auth/passwords"
	"sluice/auth/peer"
)

// checkCredentials finds faults in the credentials of the settings before anything is opened.
func (g *Gateway) checkCredentials() error {
	if g.clustered() && len(configured(g.cfg)) == 0 {
		return &SettingsError{errClusterWithoutCredential}
	}
	if withoutCredential(g.cfg) {
		return &SettingsError{errOpenToAll}
	}
	if err := auth.Check(g.authOptions()); err != nil {
		return &SettingsError{keyFaults(err)}
	}
	return nil
}

// openAuth puts the credentials of the settings and of the store in force.
func (g *Gateway) openAuth() (err error) {
	o := g.authOptions()
	o.Log = g.Log
	if o.TokenSecret, err = g.tokenSecret(); err != nil {
		return err
	}
	if err = g.keepFirstKey(&o); err != nil {
		return err
	}
	if g.Auth, err = auth.New(o); err != nil {
		return err
	}
	g.onClose(g.Auth.Close)
	if err = g.openAdministrator(); err != nil {
		return err
	}
	g.warnOfEnd()
	g.registerBackendMetrics()
	if g.forwards("Cookie") && slices.Contains(g.cfg.CORSOrigins, "*") {
		g.o.Logger.Info("AUTH_URL gets the cookies of pages of this gateway's own origin only; name the origins of other pages in CORS_ORIGINS, in place of *")
	}
	return nil
}

func (g *Gateway) authOptions() auth.Options {
	cfg := g.cfg
	return auth.Options{
		Backend: backend.Options{
			URL: cfg.AuthURL, Forward: g.forwarded(), Timeout: cfg.AuthTimeout, Grace: cfg.AuthGrace, Concurrency: cfg.AuthConcurrency, Secret: cfg.AuthSecret,
			Memory: int64(cfg.MaxClientMemory),
		},
		TokenSecret: cfg.TokenSecret, APIKeys: cfg.APIKeys, APIKeysFile: cfg.APIKeysFile,
		Secrets: cfg.JWTSecret, PublicKeyFile: cfg.JWTPublicKeyFile, JWKSURL: cfg.JWTJWKSURL, JWKSRefresh: cfg.JWTJWKSRefresh,
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Leeway: cfg.JWTLeeway,
		DefaultSub: cfg.JWTDefaultSub, DefaultPub: cfg.JWTDefaultPub,
		Global: cfg.RealtimeGlobal, QueryCredentials: cfg.QueryCredentials, Cookie: cfg.CredentialCookie, Origins: cfg.CORSOrigins, Proxies: peer.Proxies(cfg.TrustedProxies),
		PublishRate: cfg.PublishRate,
		Passwords:   g.passwords(), Logger: g.o.Logger,
	}
}

// forwarded returns the headers that AUTH_URL gets.
func (g *Gateway) forwarded() (names []string) {
	for _, name := range g.cfg.AuthForward {
		names = append(names, http.CanonicalHeaderKey(name))
	}
	return names
}

// forwards reports whether AUTH_URL gets a header.
func (g *Gateway) forwards(name string) bool {
	return g.cfg.AuthURL != "" && slices.Contains(g.forwarded(), name)
}

// passwords makes a checker for the passwords of users or of accounts. Each of the two counts tries separately.
func (g *Gateway) passwords() *passwords.Checker {
	if g.o.CheapPasswords {
		return passwords.Cheap()
	}
	return passwords.New()
}
