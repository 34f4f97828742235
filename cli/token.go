package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/auth/grant"
	"sluice/config"
)

// Token signs a token for development.
type Token struct {
	Sub, Pub, Rest            []string
	TTL                       time.Duration
	Subject, Issuer, Audience string
}

func tokenCommand(std *Streams) *cobra.Command {
	c := &Token{}
	cmd := &cobra.Command{
		Use:     "token",
		Short:   "Sign a token for development.",
		Example: "  JWT_SECRET=$(head -c 32 /dev/urandom | base64) sluice token --sub 'inbox-42,news' --pub chat-7 --ttl 1h --subject 42",
		Long:    "It is signed (HS256) with the first JWT_SECRET of the settings.",
		Args:    checkArguments,
		RunE:    func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "Grant", func(f *pflag.FlagSet) {
		listVar(f, &c.Sub, "sub", "The channels that it may subscribe to: `PATTERN,...`")
		listVar(f, &c.Pub, "pub", "The channels that it may publish to: `PATTERN,...`")
		listVar(f, &c.Rest, "rest", "The documents that it may read and write: `PATTERN,...`, as GET:customer or POST:*.")
	})
	addFlags(cmd.Flags(), "Token", func(f *pflag.FlagSet) {
		f.DurationVar(&c.TTL, "ttl", time.Hour, "It is valid for this `DURATION`.")
		f.StringVar(&c.Subject, "subject", "", "The `USER` that it is for.")
		f.StringVar(&c.Issuer, "issuer", "", "Its `ISS`; default: JWT_ISSUER.")
		f.StringVar(&c.Audience, "audience", "", "Its `AUD`; default: JWT_AUDIENCE.")
	})
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run prints the token.
func (c *Token) Run(std *Streams) error {
	cfg, err := config.Load(os.Environ(), ".env")
	if err != nil {
		return usageError{err}
	}
	if len(cfg.JWTSecret) == 0 {
		return usageError{errors.New("JWT_SECRET is not set; set it to 32 bytes or more, here and for the gateway")}
	}
	if c.TTL <= 0 {
		return usageError{errors.New("--ttl must be greater than 0")}
	}
	if err := c.grant().Check(); err != nil {
		return usageError{fmt.Errorf("the token %w", err)}
	}
	if c.grant().Size() == 0 && !cfg.RealtimeGlobal && len(cfg.JWTDefaultSub)+len(cfg.JWTDefaultPub) == 0 {
		std.note("the token grants nothing; give --sub, --pub or --rest")
	}
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c.claims(cfg, now)).SignedString([]byte(cfg.JWTSecret[0]))
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return std.result(struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires"`
	}{signed, now.Add(c.TTL).UTC().Truncate(time.Second)}, signed+"\n")
}

func (c *Token) grant() *grant.Lists { return &grant.Lists{Sub: c.Sub, Pub: c.Pub, Rest: c.Rest} }

func (c *Token) claims(cfg *config.Config, now time.Time) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iat": now.Unix(), "exp": now.Add(c.TTL).Unix(),
		"realtime": c.grant().Whole(),
	}
	for name, value := range map[string]string{"sub": c.Subject, "iss": cmp.Or(c.Issuer, cfg.JWTIssuer), "aud": cmp.Or(c.Audience, cfg.JWTAudience)} {
		if value != "" {
			claims[name] = value
		}
	}
	return claims
}
