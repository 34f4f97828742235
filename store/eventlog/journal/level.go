package journal

import (
	"fmt"
	"strconv"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// The formats of messages, of rows, and of the folders in snapshots have one number together, the level. It grows by one with
// each change that an older version could not read. A row of the log says which level its gateways write.
//
// A version that brings a new level reads it, and writes the old one until a message raises the level. So all gateways agree
// from one place on, and nobody who reads the journal meets anything new before. A gateway that does not know the new level
// stops at the message that raises it.

// Oldest is the level of a log that has no row of it. Newest, in newest.go, is the highest one that this version reads.
const Oldest = 1

const levelKey = rows.Level + "used"

// LevelRow returns the row that says which level a log has.
func LevelRow(level int) eventlog.Row {
	return eventlog.Row{Key: levelKey, Value: strconv.AppendInt(nil, int64(level), 10)}
}

// ReadLevel reads the value of that row. A log without the row has the oldest level.
func ReadLevel(value []byte) (int, error) {
	if value == nil {
		return Oldest, nil
	}
	level, err := strconv.Atoi(string(value))
	if err != nil || level < Oldest {
		return 0, fmt.Errorf("the row %s cannot be read", levelKey)
	}
	return level, nil
}

// SetLevel sets the level of the messages that this gateway writes.
func (j *Journal) SetLevel(level int) { j.level.Store(int32(level)) }

// raised returns the level to which a message raises that of the log. Of one that does not, it is 0.
func (m *message) raised() (level int) {
	for _, r := range m.Requests {
		for i := range r.Rows {
			if r.Rows[i].Key != levelKey {
				continue
			}
			if to, err := ReadLevel(r.Rows[i].Value); err == nil { // check has found it well
				level = max(level, to)
			}
		}
	}
	return level
}
