package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// cost is bcrypt's: about 50 ms, as its authors' default.
const cost = bcrypt.DefaultCost

// Bounds of checks.
const (
	maxWaiting = 256  // requests that wait for their password to be checked
	maxChecked = 4096 // passwords that are remembered as right
)

// checks computes hashes, a few at a time since each takes a processor for 50 ms, and remembers those that
// were right.
type checks struct {
	slots   chan struct{}
	waiting atomic.Int32
	secret  []byte        // of this process: what is remembered serves nobody else
	dummy   func() []byte // is compared where there is no account; made when first needed

	mu      sync.Mutex
	right   map[[sha256.Size]byte]struct{}
	running map[[sha256.Size]byte]chan struct{} // checks; closed when they end
}

func newChecks() *checks {
	c := &checks{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), secret: make([]byte, 32), right: map[[sha256.Size]byte]struct{}{}, running: map[[sha256.Size]byte]chan struct{}{}}
	rand.Read(c.secret) //nolint:errcheck // never fails, by its documentation
	c.dummy = sync.OnceValue(func() []byte {
		// The hash of a random password: nothing is equal to it.
		hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), cost)
		if err != nil {
			panic(err) // 26 bytes are never too long
		}
		return hash
	})
	return c
}

// turn waits for a processor.
func (c *checks) turn(ctx context.Context) error {
	if c.waiting.Add(1) > maxWaiting {
		c.waiting.Add(-1)
		return ErrBusy
	}
	defer c.waiting.Add(-1)
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *checks) hash(ctx context.Context, password string) (string, error) {
	if err := c.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-c.slots }()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	return string(hash), err
}

// verify compares a password with an account's, which may be nil.
func (c *checks) verify(ctx context.Context, a *Account, password string) (bool, error) {
	var key [sha256.Size]byte
	var hash []byte
	if a != nil {
		hash = []byte(a.Hash)
		key = c.key(a.Hash, password)
		known, err := c.alone(ctx, key)
		if known || err != nil {
			return known, err
		}
		defer c.over(key)
	}
	if err := c.turn(ctx); err != nil {
		return false, err
	}
	defer func() { <-c.slots }()
	if hash == nil {
		hash = c.dummy()
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	if err != nil || a == nil {
		if errors.Is(err, bcrypt.ErrHashTooShort) {
			return false, err
		}
		return false, nil
	}
	c.remember(key)
	return true, nil
}

// key is what is remembered of a password: with the account's hash in it, so that it is worth nothing once that
// changes.
func (c *checks) key(hash, password string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write([]byte(hash)) // of one length, so the two cannot run together
	mac.Write([]byte(password))
	return [sha256.Size]byte(mac.Sum(nil))
}

// alone says whether a password is known to be right. If not, the caller is to check it, and to say over; whoever
// else has the same one waits, so that a crowd that comes back at once costs one check.
func (c *checks) alone(ctx context.Context, key [sha256.Size]byte) (known bool, err error) {
	for {
		c.mu.Lock()
		_, known = c.right[key]
		running := c.running[key]
		if !known && running == nil {
			c.running[key] = make(chan struct{})
		}
		c.mu.Unlock()
		if known || running == nil {
			return known, nil
		}
		select {
		case <-running:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (c *checks) over(key [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.running[key])
	delete(c.running, key)
}

// remember makes room by forgetting any: a map gives them in no order.
func (c *checks) remember(key [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.right) >= maxChecked {
		for k := range c.right {
			delete(c.right, k)
			break
		}
	}
	c.right[key] = struct{}{}
}
