// Package handlers is where echo lives, and nowhere else: routes, middleware, errors. Each door is
// a package of its own below it. Types of echo do not leave this folder.
package handlers
