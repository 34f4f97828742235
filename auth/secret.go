package auth

import (
	"context"
	"errors"
	"fmt"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// rowTokenSecret is the row of the secret of the gateway's own tokens.
const rowTokenSecret = rows.Secret + "tokens"

// StoredSecret returns the secret of own tokens that is in the log. If there is none, it stores one: candidate, or what
// another gateway has stored first.
func StoredSecret(ctx context.Context, log *eventlog.Log, candidate string) (secret string, err error) {
	err = log.Retry(ctx, func() error {
		row, err := log.Row(rowTokenSecret)
		if err != nil {
			return err
		}
		if secret = string(row); row != nil {
			return nil
		}
		secret = candidate
		_, err = log.Append(ctx, &eventlog.Request{
			Rows: []eventlog.Row{{Key: rowTokenSecret, Value: []byte(candidate)}}, If: []eventlog.Condition{eventlog.RowIs(rowTokenSecret, nil)},
			FromReserve: true, // without it, no gateway could start on a full disk
		})
		return err
	})
	if err == nil && secret == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("the stored secret of tokens: %w", err)
	}
	return secret, nil
}
