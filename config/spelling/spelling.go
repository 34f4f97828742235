// Package spelling compares names, to find the one that a misspelt name was meant to be.
package spelling

// Distance returns how many letters must be inserted, removed, changed or swapped with the next one to turn a into b (the
// optimal string alignment distance).
func Distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var before2 []int
	for i := range len(a) {
		before2, before, row = before, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(before[j]+change, before[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before2[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
