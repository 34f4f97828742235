// Command pocketbase is a PocketBase made of its Go module, as it comes: SQLite with a write-ahead log and
// synchronous=NORMAL. It has one collection of documents, open to everybody.
package main

import (
	"flag"
	"log"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"
	"github.com/pocketbase/pocketbase/tools/types"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9001", "where to listen")
	dir := flag.String("dir", "pb_data", "folder of its databases")
	index := flag.Bool("index", false, "index the rooms")
	flag.Parse()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: *dir})
	if err := prepare(app, *index); err != nil {
		log.Fatal(err)
	}
	log.Fatal(apis.Serve(app, apis.ServeConfig{HttpAddr: *addr}))
}

func prepare(app *core.BaseApp, index bool) error {
	if err := app.Bootstrap(); err != nil {
		return err
	}
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	// It writes a row for each request into another database, which the others have nothing of.
	settings := app.Settings()
	settings.Logs.MaxDays = 0
	if err := app.Save(settings); err != nil {
		return err
	}
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		e.InstallerFunc = nil // it would open a browser
		return e.Next()
	})
	// Its clients subscribe by a second request. The address of the first says to what, as that of the others does.
	app.OnRealtimeConnectRequest().BindFunc(func(e *core.RealtimeConnectRequestEvent) error {
		e.Client.Subscribe(e.Request.URL.Query()["subscribe"]...)
		return e.Next()
	})
	return app.Save(documents(index))
}

func documents(index bool) *core.Collection {
	c := core.NewBaseCollection("bench")
	c.ListRule, c.ViewRule, c.CreateRule, c.UpdateRule = types.Pointer(""), types.Pointer(""), types.Pointer(""), types.Pointer("")
	c.Fields.Add(
		&core.TextField{Name: "room"},
		&core.TextField{Name: "text"},
		&core.AutodateField{Name: "created", OnCreate: true},
		&core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true},
	)
	if index {
		c.AddIndex("idx_bench_room", false, "room", "")
	}
	return c
}
