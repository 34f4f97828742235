// Package bus is the connection of a gateway to the NATS servers of its cluster. It knows how to reach them, how subjects
// are named, and how messages are sealed; what the messages mean is not known here.
//
// Invariants: all subjects of a cluster begin with "sluice.NAME.", and have nothing secret. A message is sealed with the
// cluster's secret: a stranger who reaches the servers cannot make one. Sealing does not encrypt. Use TLS and an account of
// NATS for that. A connection that is refused is tried until it is taken, because credentials may be replaced meanwhile.
package bus
