module publish

go 1.24
