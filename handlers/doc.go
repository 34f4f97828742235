// Package handlers is where echo lives, and nowhere else: routes, middleware, errors. Each way to use the gateway is a Door in
// a folder of its own below it; the package gateway opens them. The other folders below it are what doors share. Types of echo do not leave this folder.
//
// Tests here are about all doors. Those of one door are in its folder; all of them start a whole gateway by gatewaytest.
package handlers
