// Package grant describes what a credential may do: which channels of /realtime it may subscribe to and publish on, and
// which documents it may read and write. Each key, token and user has a grant.
package grant
