package journal

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
)

// oldLeader answers as JetStream does, from a leader that is back after others have gone on without it. The stream has one
// snapshot. The first answers of each kind are of before.
type oldLeader struct {
	t         *testing.T
	bus       *bus.Bus
	snapshot  Snapshot
	olds      int64 // answers of each kind
	infos     atomic.Int64
	gets      atomic.Int64
	lastPlace atomic.Int64
}

func (o *oldLeader) serve(subject string, answer func(question []byte) string) {
	o.t.Helper()
	if _, err := o.bus.Conn().Subscribe(subject, func(m *nats.Msg) {
		if err := m.Respond([]byte(answer(m.Data))); err != nil {
			o.t.Error(err)
		}
	}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *oldLeader) text(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		o.t.Error(err)
	}
	return string(text)
}

// info says what the stream has. What asks for no subjects gets no old answer: it is about the stream's being there.
func (o *oldLeader) info(question []byte) string {
	last, subjects := o.lastPlace.Load(), map[string]int{o.bus.Subject(labelOf(o.snapshot.ID)): 1}
	if strings.Contains(string(question), "subjects_filter") && o.infos.Add(1) <= o.olds {
		last, subjects = last-1, nil
	}
	return o.text(map[string]any{"config": map[string]any{"name": storageName(o.bus)}, "total": len(subjects), "state": map[string]any{"last_seq": last, "subjects": subjects}})
}

func (o *oldLeader) get([]byte) string {
	if o.gets.Add(1) <= o.olds {
		return `{"error":{"code":404,"err_code":10037,"description":"no message found"}}`
	}
	body, err := json.Marshal(o.snapshot)
	if err != nil {
		o.t.Error(err)
	}
	return o.text(map[string]any{"message": map[string]any{"seq": 5, "data": o.bus.Seal(sealPurpose, body)}})
}

// withoutJetStream removes JetStream from the configuration of a server, so that a test can answer in its place.
func withoutJetStream(conf string) string {
	before, rest, _ := strings.Cut(conf, "\njetstream {\n")
	_, after, _ := strings.Cut(rest, "\n}\n")
	return strings.Replace(before+"\n"+after, "jetstream: enabled", "", 1)
}

// What a server says that does not have all that was acknowledged is not believed: not that there is no snapshot, nor that a
// snapshot has no label.
func TestOldAnswersAreNotBelieved(t *testing.T) {
	t.Parallel()
	url := clustertest.StartServers(t, 1, withoutJetStream).URL()
	o := &oldLeader{t: t, bus: connect(t, url, testSecret), olds: 2, snapshot: Snapshot{Meta: Meta{Place: 9}, ID: newSnapshotID(), Birth: "b", Made: time.Now(), Parts: 1}}
	b := connect(t, url, testSecret)
	o.lastPlace.Store(100)
	seal := hex.EncodeToString(b.Seal(metaBirth, []byte("b")))
	o.serve("$JS.API.STREAM.INFO."+stream(b), func([]byte) string {
		return o.text(map[string]any{"config": map[string]any{"metadata": map[string]string{metaBirth: "b", metaSeal: seal}}})
	})
	o.serve("$JS.API.STREAM.INFO."+storageName(b), o.info)
	o.serve("$JS.API.STREAM.MSG.GET."+storageName(b), o.get)
	o.serve(b.Subject(subjectLooked), func([]byte) string {
		return o.text(map[string]any{"stream": storageName(b), "seq": o.lastPlace.Add(1)})
	})
	if err := o.bus.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	all := listAll(t, bounded(t), b)
	if len(all) != 1 || all[0].Place != 9 {
		t.Errorf("listed %v", all)
	}
	if o.infos.Load() != 2*o.olds+1 || o.gets.Load() != o.olds+1 {
		t.Errorf("it was asked %d times for subjects, %d times for the label", o.infos.Load(), o.gets.Load())
	}
}
