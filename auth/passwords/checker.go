package passwords

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/auth/peer"
	"sluice/auth/tries"
	"sluice/store/share"
)

// ErrBusy is the error of Hash and Verify if too many requests are already waiting.
var ErrBusy = errors.New("too many passwords are being checked; try again in a moment")

// TriesError is the error of Verify after too many wrong passwords.
type TriesError struct{ After time.Duration }

// errTries is the only TriesError of this package. It is the same for a name and for an address; otherwise it would
// reveal whether a name exists.
var errTries = &TriesError{tries.NameEvery}

func (e *TriesError) Error() string {
	return "too many sign-ins failed, for this name or from this address; try again in a moment"
}

// Max is the longest password, in bytes. bcrypt ignores further bytes.
const Max = 72

// cost is the default of bcrypt. A hash takes about 50 ms.
const cost = bcrypt.DefaultCost

// nobody is the hash of a random password that nobody knows. For a name that does not exist, Verify compares the password
// with this hash and ignores the result, so that it takes the same time as for an existing name.
const nobody = "$2a$10$gZMrclhz821zU1c6z9GTy.p4RYMYoKybYpD0yWBm4sSJG7s59vWz2"

// cheapNobody is nobody with the lowest cost, for tests.
const cheapNobody = "$2a$04$RSkRGu0kfMf4VqEzuKeWtu1quDJsq6ppH.zRrOj3.zAyRB64JdkxW"

// Limits of checks.
const (
	maxWaiting = 256  // requests of one address that wait for their password to be checked
	maxChecked = 4096 // passwords that are remembered as right
)

// turns limits how many hashes are computed at a time, because each takes a processor for 50 ms, and how many wait. The
// addresses take turns, so that one with many requests does not prevent others from signing in.
type turns struct {
	n       int
	slots   *share.Slots
	waiting atomic.Int32
}

func newTurns() *turns {
	n := max(1, runtime.GOMAXPROCS(0)-1)
	return &turns{n: n, slots: share.NewSlots(n, maxWaiting)}
}

// ofProcess is shared by all checkers, because they share the processors.
var ofProcess = newTurns()

// Checker computes hashes, and remembers the passwords that were right.
type Checker struct {
	turns  *turns
	tries  *tries.Names
	cost   int
	nobody string // the hash of nobody, which costs the same
	secret []byte // random, so that the digests are worthless outside this process

	mu      sync.Mutex
	right   map[tries.Digest]struct{}
	running map[tries.Digest]*check
}

// check is a check that is running. Others may read its result once done is closed.
type check struct {
	done  chan struct{}
	right bool
	err   error
}

// New makes a checker.
func New() *Checker { return newChecker(ofProcess, cost, nobody) }

// Cheap makes a checker with the lowest cost, for tests with many passwords.
func Cheap() *Checker { return newChecker(newTurns(), bcrypt.MinCost, cheapNobody) }

func newChecker(t *turns, cost int, nobody string) *Checker {
	c := &Checker{turns: t, tries: tries.NewNames(), cost: cost, nobody: nobody, secret: make([]byte, 32), right: map[tries.Digest]struct{}{}, running: map[tries.Digest]*check{}}
	rand.Read(c.secret) // its documentation says that it never fails
	return c
}

// take waits for a processor, on behalf of the owner in ctx. The caller must call giveBack.
func (t *turns) take(ctx context.Context) (giveBack func(), err error) {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	giveBack, err = t.slots.Acquire(ctx)
	if errors.Is(err, share.ErrQueueFull) {
		return nil, ErrBusy
	}
	return giveBack, err
}

// Hash returns the hash to store for a password of at most Max bytes.
func (c *Checker) Hash(ctx context.Context, password string) (string, error) {
	giveBack, err := c.turns.take(ctx)
	if err != nil {
		return "", err
	}
	defer giveBack()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), c.cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}

// Attempt is one try to sign in.
type Attempt struct {
	From     string // the address of the client
	Name     string
	Password string
	Hash     string // the stored hash of the name's password; "" if the name does not exist
}

// Verify reports whether an attempt is right. Its error is ErrBusy, or a TriesError after too many wrong attempts. An
// attempt for a name that does not exist is never right, and takes the same time as a wrong password. This also holds for
// many attempts at once, and for repeated ones.
func (c *Checker) Verify(ctx context.Context, a Attempt) (bool, error) {
	hash := cmp.Or(a.Hash, c.nobody)
	by := c.digests(a.Name, a.From)
	key := c.key("password", a.Name, hash, a.Password) // with the hash, so that the key is worthless once that changes
	// In each turn, one of four things happens:
	//
	//	no tries left   refused, whatever the password is
	//	known           right without a hash, because it was right before
	//	mine            this goroutine computes the hash
	//	other           another goroutine computes the same hash: wait, and try again if that failed
	//
	// Open must come first, or a name without tries left would still reveal that a password is right.
	for {
		if !c.tries.Open(by) {
			return false, errTries
		}
		mine, other, known := c.begin(key)
		if known {
			if a.possible() {
				c.tries.Know(by)
			}
			return a.possible(), nil
		}
		if mine != nil {
			mine.right, mine.err = c.try(ctx, &a, hash, by)
			c.end(key, mine)
			return mine.right && a.possible(), mine.err
		}
		select {
		case <-other.done:
			if other.err == nil {
				return other.right && a.possible(), nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// possible reports whether the attempt can be right. One with a password over Max bytes cannot; bcrypt would compare only
// its beginning.
func (a *Attempt) possible() bool { return a.Hash != "" && len(a.Password) <= Max }

// try compares the password if the name and the address have tries left, and charges them if it is wrong.
func (c *Checker) try(ctx context.Context, a *Attempt, hash string, by tries.Digests) (bool, error) {
	end, ok := c.tries.Begin(by)
	if !ok {
		return false, errTries
	}
	same, err := c.compare(share.With(ctx, peer.Owner("", a.From)), hash, a.Password)
	switch {
	case err != nil:
		end(tries.Undone)
	case same && a.possible():
		end(tries.Right)
	default:
		end(tries.Wrong)
	}
	return same, err
}

// compare waits for a processor and compares a password with a hash.
func (c *Checker) compare(ctx context.Context, hash, password string) (bool, error) {
	giveBack, err := c.turns.take(ctx)
	if err != nil {
		return false, err
	}
	defer giveBack()
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("comparing a password: %w", err)
	}
	return err == nil, nil
}

// key makes a digest of some texts. Each is preceded by its length, so that different texts give different digests.
func (c *Checker) key(texts ...string) tries.Digest {
	mac := hmac.New(sha256.New, c.secret)
	for _, text := range texts {
		fmt.Fprintf(mac, "%d %s", len(text), text)
	}
	return tries.Digest(mac.Sum(nil))
}

func (c *Checker) digests(name, from string) tries.Digests {
	from = peer.Network(from)
	return tries.Digests{Name: c.key("name", name), From: c.key("from", from), Both: c.key("both", name, from)}
}

// begin looks for a password. known means that it is remembered as right. If it is not, exactly one of mine and other is
// set: the caller must do the check mine, or wait for other, which another goroutine does. So when many clients of one
// user come back at once, the hash is computed once.
func (c *Checker) begin(key tries.Digest) (mine, other *check, known bool) {
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

func (c *Checker) end(key tries.Digest, mine *check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mine.right {
		c.remember(key)
	}
	delete(c.running, key)
	close(mine.done)
}

func (c *Checker) remember(key tries.Digest) {
	for old := range c.right { // in no order
		if len(c.right) < maxChecked {
			break
		}
		delete(c.right, old)
	}
	c.right[key] = struct{}{}
}
