package broker

import (
	"unsafe"

	"sluice/channel"
)

// The memory of a view in addition to the texts of its filter, as TestViewMemory measures it.
const (
	viewBytes  = 1 << 10 // the view and its list
	sideBytes  = 112     // the index's nodes for a pattern with a name on one side
	sidesBytes = 480     // the same for one with a name on both
)

// Size returns about how many bytes of memory a view for the filter takes.
func (f *Filter) Size() int64 {
	n := viewBytes + f.Channels.Size() + int64(len(f.Stream)+3*len(f.Choice)) // 3: the text, and the Chooser made from it
	for p := range f.Channels.Patterns() {
		if p.Left.Kind >= channel.Prefix && p.Right.Kind >= channel.Prefix {
			n += sidesBytes
		} else {
			n += sideBytes
		}
	}
	for _, name := range f.Names {
		n += int64(unsafe.Sizeof(name)) + int64(len(name))
	}
	return n
}
