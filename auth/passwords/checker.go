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

// ErrBusy is the error of Hash and Verify where too many wait already.
var ErrBusy = errors.New("too many passwords are being checked; try again in a moment")

// TriesError is the error of Verify where too many passwords were wrong.
type TriesError struct{ After time.Duration }

// errTries is the only one. It is the same for a name and for an address: else it would tell whether a name exists.
var errTries = &TriesError{tries.NameEvery}

func (e *TriesError) Error() string {
	return "too many sign-ins failed, for this name or from this address; try again in a moment"
}

// Max is the longest password in bytes: bcrypt takes no more into account.
const Max = 72

// cost is bcrypt's: about 50 ms, as its authors' default.
const cost = bcrypt.DefaultCost

// nobody is the hash of a random password that was not kept. It is compared where there is nobody to compare with,
// and what comes of it is not looked at.
const nobody = "$2a$10$gZMrclhz821zU1c6z9GTy.p4RYMYoKybYpD0yWBm4sSJG7s59vWz2"

// cheapNobody is the same for tests.
const cheapNobody = "$2a$04$RSkRGu0kfMf4VqEzuKeWtu1quDJsq6ppH.zRrOj3.zAyRB64JdkxW"

// Bounds of checks.
const (
	maxWaiting = 256  // requests of one address that wait for their password to be checked
	maxChecked = 4096 // passwords that are remembered as right
)

// turns bound how many hashes are computed at a time, as each takes a processor for 50 ms, and how many wait. They go
// round by address, so that one that floods keeps nobody else from signing in.
type turns struct {
	n       int
	slots   *share.Slots
	waiting atomic.Int32
}

func newTurns() *turns {
	n := max(1, runtime.GOMAXPROCS(0)-1)
	return &turns{n: n, slots: share.NewSlots(n, maxWaiting)}
}

// ofProcess are the turns that all checkers share: they have the same processors.
var ofProcess = newTurns()

// Checker computes hashes, and remembers those that were right.
type Checker struct {
	turns  *turns
	tries  *tries.Names
	cost   int
	nobody string // the hash of nobody, which costs the same
	secret []byte // of this process: what is remembered serves nobody else

	mu      sync.Mutex
	right   map[tries.Digest]struct{}
	running map[tries.Digest]*check
}

// check is one that runs. Others read what came of it once done is closed.
type check struct {
	done  chan struct{}
	right bool
	err   error
}

// New makes a checker.
func New() *Checker { return newChecker(ofProcess, cost, nobody) }

// Cheap makes a checker for tests, which have many passwords and keep none.
func Cheap() *Checker { return newChecker(newTurns(), bcrypt.MinCost, cheapNobody) }

func newChecker(t *turns, cost int, nobody string) *Checker {
	c := &Checker{turns: t, tries: tries.NewNames(), cost: cost, nobody: nobody, secret: make([]byte, 32), right: map[tries.Digest]struct{}{}, running: map[tries.Digest]*check{}}
	rand.Read(c.secret) // never fails, by its documentation
	return c
}

// take waits for a processor for the owner of ctx, which gives it back.
func (t *turns) take(ctx context.Context) (giveBack func(), err error) {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	giveBack, err = t.slots.Acquire(ctx)
	if errors.Is(err, share.ErrQueueFull) {
		return nil, ErrBusy
	}
	return giveBack, err
}

// Hash is what to keep of a password of at most Max bytes.
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

// Attempt is a name and a password that somebody signs in with.
type Attempt struct {
	From     string // the address of the client
	Name     string
	Password string
	Hash     string // what is kept of the name's password; "" says that nobody has the name
}

// Verify says whether an attempt is right; the error is ErrBusy, or a TriesError where too many were wrong. That nobody
// has the name is never right, and costs what a wrong password costs, however many ask at once and whatever they have
// asked before.
func (c *Checker) Verify(ctx context.Context, a Attempt) (bool, error) {
	hash := cmp.Or(a.Hash, c.nobody)
	by := c.who(a.Name, a.From)
	key := c.key("password", a.Name, hash, a.Password) // with the hash: worth nothing once that changes
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

// possible is false of what cannot be right: a longer password would pass for what it begins with.
func (a *Attempt) possible() bool { return a.Hash != "" && len(a.Password) <= Max }

// try compares, if name and address have tries left, and charges them.
func (c *Checker) try(ctx context.Context, a *Attempt, hash string, by tries.Who) (bool, error) {
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

// compare computes a hash in its turn.
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

// key is what is remembered of some texts, which cannot run together.
func (c *Checker) key(texts ...string) tries.Digest {
	mac := hmac.New(sha256.New, c.secret)
	for _, text := range texts {
		fmt.Fprintf(mac, "%d %s", len(text), text)
	}
	return tries.Digest(mac.Sum(nil))
}

func (c *Checker) who(name, from string) tries.Who {
	from = peer.Network(from)
	return tries.Who{Name: c.key("name", name), From: c.key("from", from), Both: c.key("both", name, from)}
}

// begin says whether a password is known to be right, else that it is the caller's to check, or gives who checks it
// already: a crowd that comes back at once costs one check.
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
