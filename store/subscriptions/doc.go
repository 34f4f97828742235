// Package subscriptions has names for lists of channels that are too long for an address. A client sends its list once, and
// then subscribes by the name. The package knows no HTTP and no credentials: whose a name is, is a text, the owner.
//
// A name is a hash of its owner and its list. So the same list of the same owner has the same name, at all gateways of a
// log, also after the name has ended. Another owner cannot use it. A name grants nothing: it only stands for the list.
//
//	        Name                     no use for Life or longer
//	(none) ------> there, in use or not ----------------------> (none)
//
// Each name has two rows: the list, which never changes, and its life, which is small: whose it is, what it takes, and until
// when it stays. Who uses a name renews the second row alone, once in some minutes, for as long as a stream is open; the end
// of a stream writes nothing. All times are those of the log's clock, so all gateways of a log agree.
//
// Invariants: the two rows are stored and removed together. A name that was used stays for Life from then on. In memory are
// the lives only, which follow the rows; a list is read when it is needed. Together the names of an owner, and those of all,
// take no more than Options allow. In a cluster several gateways may pass that by what they store at the same moment.
//
// Lock order: the log's own lock, then Store.mu. Nobody waits for the log with mu.
package subscriptions
