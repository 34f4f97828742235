package passwords

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// ErrBusy is the error of Hash and Verify where too many wait already.
var ErrBusy = errors.New("too many passwords are being checked; try again in a moment")

// Max is the longest password in bytes: bcrypt takes no more into account.
const Max = 72

// cost is bcrypt's: about 50 ms, as its authors' default.
const cost = bcrypt.DefaultCost

// nobody is the hash of a random password that was not kept. It is compared where there is nobody to compare with,
// and what comes of it is not looked at.
const nobody = "$2a$10$gZMrclhz821zU1c6z9GTy.p4RYMYoKybYpD0yWBm4sSJG7s59vWz2"

// Bounds of checks.
const (
	maxWaiting = 256  // requests that wait for their password to be checked
	maxChecked = 4096 // passwords that are remembered as right
)

// turns bound how many hashes are computed at a time, as each takes a processor for 50 ms, and how many wait.
type turns struct {
	slots   chan struct{}
	waiting atomic.Int32
}

func newTurns() *turns {
	return &turns{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

// ofProcess are the turns that all checkers share: they have the same processors.
var ofProcess = newTurns()

// Checker computes hashes, and remembers those that were right.
type Checker struct {
	turns  *turns
	cost   int
	secret []byte // of this process: what is remembered serves nobody else

	mu      sync.Mutex
	right   map[[sha256.Size]byte]struct{}
	running map[[sha256.Size]byte]*check
}

// check is one that runs. Others read what came of it once done is closed.
type check struct {
	done  chan struct{}
	right bool
	err   error
}

// New makes a checker.
func New() *Checker { return newChecker(ofProcess, cost) }

// Cheap makes a checker for tests, which have many passwords and keep none.
func Cheap() *Checker { return newChecker(newTurns(), bcrypt.MinCost) }

func newChecker(t *turns, cost int) *Checker {
	c := &Checker{turns: t, cost: cost, secret: make([]byte, 32), right: map[[sha256.Size]byte]struct{}{}, running: map[[sha256.Size]byte]*check{}}
	rand.Read(c.secret) //nolint:errcheck // never fails, by its documentation
	return c
}

// take waits for a processor, which is to be given back.
func (t *turns) take(ctx context.Context) error {
	if t.waiting.Add(1) > maxWaiting {
		t.waiting.Add(-1)
		return ErrBusy
	}
	defer t.waiting.Add(-1)
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turns) giveBack() { <-t.slots }

// Hash is what to keep of a password of at most Max bytes.
func (c *Checker) Hash(ctx context.Context, password string) (string, error) {
	if err := c.turns.take(ctx); err != nil {
		return "", err
	}
	defer c.turns.giveBack()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), c.cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}

// Verify compares a password with the hash of who has the name. The hash "" says that nobody has it: that is never
// right, and costs what a wrong password costs, however many ask at once and whatever they have asked before.
func (c *Checker) Verify(ctx context.Context, name, hash, password string) (bool, error) {
	never := hash == "" || len(password) > Max // a longer one would pass for what it begins with
	if hash == "" {
		hash = nobody
	}
	key := c.key(name, hash, password)
	for {
		mine, other, known := c.begin(key)
		if known {
			return !never, nil
		}
		if mine != nil {
			mine.right, mine.err = c.compare(ctx, hash, password)
			c.end(key, mine)
			return mine.right && !never, mine.err
		}
		select {
		case <-other.done:
			if other.err == nil {
				return other.right && !never, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// compare computes a hash in its turn.
func (c *Checker) compare(ctx context.Context, hash, password string) (bool, error) {
	if err := c.turns.take(ctx); err != nil {
		return false, err
	}
	defer c.turns.giveBack()
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("comparing a password: %w", err)
	}
	return err == nil, nil
}

// key is what is remembered of a password: with the hash in it, so that it is worth nothing once that changes.
func (c *Checker) key(name, hash, password string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, c.secret)
	fmt.Fprintf(mac, "%d %d %s%s%s", len(name), len(hash), name, hash, password) // they cannot run together
	return [sha256.Size]byte(mac.Sum(nil))
}

// begin says whether a password is known to be right, else that it is the caller's to check, or gives who checks it
// already: a crowd that comes back at once costs one check.
func (c *Checker) begin(key [sha256.Size]byte) (mine, other *check, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.right[key]; known {
		return nil, nil, true
	}
	if other := c.running[key]; other != nil {
		return nil, other, false
	}
	mine = &check{done: make(chan struct{})}
	c.running[key] = mine
	return mine, nil, false
}

func (c *Checker) end(key [sha256.Size]byte, mine *check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mine.right {
		c.remember(key)
	}
	delete(c.running, key)
	close(mine.done)
}

// remember makes room by forgetting any: a map gives them in no order.
func (c *Checker) remember(key [sha256.Size]byte) {
	if len(c.right) >= maxChecked {
		for k := range c.right {
			delete(c.right, k)
			break
		}
	}
	c.right[key] = struct{}{}
}
