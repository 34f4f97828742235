// Package grant is what a credential may do: the channels of /realtime that it subscribes to and publishes on, and the
// documents that it reads and writes. Keys, tokens and users each carry one.
package grant
