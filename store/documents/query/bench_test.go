package query

import (
	"testing"

	"github.com/tidwall/gjson"
)

// document has a usual size: 300 bytes, with the queried fields in its middle and near its end.
var document = []byte(`{"_id":"577cf185e2039b0900000016","_created":"2026-11-20T13:22:01.000Z","_changed":"2026-11-20T13:22:01.000Z","_version":3,` +
	`"name":"Ann Example","email":"ann@example.com","age":39,"city":"Oslo","tags":["new","gold"],` +
	`"address":{"street":"Main Street 1","zip":"0150"},"score":17.5,"joined":"2026-11-20T13:22:01.000Z","status":"active"}`)

func benchmarkMatch(b *testing.B, n Node) {
	c, err := Compile(n)
	if err != nil || !c.Match(document) {
		b.Fatal("does not match:", err)
	}
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		c.Match(document)
	}
}

func BenchmarkMatch(b *testing.B) {
	two := Node{Op: And, Nodes: []Node{ask(Gt, "age", `30`), ask(Eq, "status", `"active"`)}}
	b.Run("two fields", func(b *testing.B) { benchmarkMatch(b, two) })
	b.Run("element", func(b *testing.B) { benchmarkMatch(b, ask(Eq, "tags", `"gold"`)) })
	b.Run("path", func(b *testing.B) { benchmarkMatch(b, ask(Eq, "address.zip", `"0150"`)) })
	b.Run("moment", func(b *testing.B) { benchmarkMatch(b, sql(ask(Gt, "joined", `"2026-11-20T20:00:00+09:00"`))) })
	b.Run("sql", func(b *testing.B) { benchmarkMatch(b, sql(ask(Gt, "age", `30`))) })
	b.Run("search", func(b *testing.B) {
		benchmarkMatch(b, Node{Op: Search, Values: []gjson.Result{String("active")}})
	})
}

func BenchmarkProjection(b *testing.B) {
	p, err := Show("name", "address.zip")
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = p.Append(out[:0], document)
	}
}

func BenchmarkOrderKey(b *testing.B) {
	o := Order{{Field: field("city")}, {Field: field("score"), Descending: true}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = o.AppendKey(out[:0], document)
	}
}
