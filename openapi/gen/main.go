// Command gen writes public/openapi.json and public/asyncapi.json, which the gateway serves, of the documents in docs. Run it
// by go generate ./public.
package main

import (
	"log"
	"os"
	"path/filepath"

	"sluice/openapi"
)

func main() {
	for _, name := range openapi.Names {
		text, err := openapi.JSON(filepath.Join(openapi.Docs, name+".yaml"))
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(openapi.Public, name+".json"), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
