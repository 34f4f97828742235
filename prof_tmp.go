package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	if f := os.Getenv("PROF"); f != "" {
		go func() {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGUSR1)
			on := false
			for range c {
				if !on {
					w, _ := os.Create(f)
					pprof.StartCPUProfile(w)
				} else {
					pprof.StopCPUProfile()
				}
				on = !on
			}
		}()
	}
}
