package query_test

import (
	"fmt"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// A condition, the part of an index that may match it, and what is shown of a matching document.
func Example() {
	age, err := query.ParseField("user.age")
	if err != nil {
		fmt.Println(err)
		return
	}
	condition, err := query.Compile(query.Node{Op: query.Gte, Field: age, Rules: query.SQL, Values: []gjson.Result{gjson.Parse("18")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	shown, err := query.Show("user.name")
	if err != nil {
		fmt.Println(err)
		return
	}
	doc := []byte(`{"_id":"1","user":{"name":"Ann","age":39}}`)
	_, narrowed := condition.Ranges("user.age")
	fmt.Println(condition.Match(doc), narrowed, string(shown.Append(nil, doc)))
	// Output:
	// true true {"user":{"name":"Ann"}}
}
