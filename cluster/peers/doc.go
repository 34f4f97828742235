// Package peers knows which gateways are in the cluster now, and asks all of them.
//
// Each gateway, a node, sends a beat every second. A node that was silent for 3 s is away. It is forgotten when it says
// goodbye, or after 10 minutes. Nobody decides who is a member: each node has its own list, and lists may differ for
// seconds. So what must be right in all cases is decided by the journal. The list is for figures, for readiness and for
// questions.
//
//	beat      "peers.beat"              to all; a last one says goodbye
//	name      "peers.name.NODE"         does a node have this name? Open asks it, so that no two nodes do
//	question  "peers.ask.WHAT"          to all; each node answers
//	question  "peers.ask.WHAT.NODE"     to one
//
// Invariants: an answer to all names each known node, also those that did not answer. A node answers its own questions
// without the network. At most 64 nodes are kept, and 8 questions of a kind run at once; more are refused. A question ends
// after 1 s. Close waits for the beat and the questions under way.
package peers
