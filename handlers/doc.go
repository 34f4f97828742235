// Package handlers has everything that concerns echo: routes, middleware and errors. Each way to use the gateway is a
// Door in a folder of its own below this one. The package gateway opens the doors. The other folders here have what
// doors share. Types of echo do not leave this folder.
//
// The tests here concern all doors. The tests of one door are in its folder. All of them start a whole gateway with
// gatewaytest.
package handlers
