package streams

import (
	"hash/maphash"
	"strings"

	"sluice/store/eventlog"
)

// contents is what follows the rows of a database's namespaces and annotations. Catalog.mu guards it.
type contents struct {
	namespaces  map[string]bool
	names       int              // bytes of their names
	annotations map[uint64]int64 // bytes of the rows, by the hash of the stream's name
	annotated   int64            // their sum
	bytes       int64            // of all rows
}

// contentsOf returns the contents of the database with an id. The caller has locked c.mu.
func (c *Catalog) contentsOf(id string) *contents {
	o := c.contents[id]
	if o == nil {
		o = &contents{namespaces: map[string]bool{}, annotations: map[uint64]int64{}}
		c.contents[id] = o
	}
	return o
}

// tidy drops contents that are empty and of no database. The caller has locked c.mu.
func (c *Catalog) tidy(id string) {
	if o := c.contents[id]; o != nil && c.byID[id] == nil && c.making[id] == nil && len(o.namespaces)+len(o.annotations) == 0 {
		delete(c.contents, id)
	}
}

// grow counts bytes of rows. The caller has locked c.mu.
func (c *Catalog) grow(id string, o *contents, n int64) {
	o.bytes += n
	d := c.byID[id]
	if d == nil {
		d = c.making[id]
	}
	if d == nil {
		c.tidy(id)
		return
	}
	if u := c.account(d.account); u != nil {
		u.bytes += n
	}
}

// namespaceWeight is what a namespace is charged as.
func namespaceWeight(id, namespace string) int64 {
	return weightOf(eventlog.Row{Key: rowNamespace + id + "/" + namespace})
}

// putNamespace takes a namespace's row, whose name is ID/NAMESPACE.
func (c *Catalog) putNamespace(name string, value []byte) error {
	id, namespace, _ := strings.Cut(name, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.contentsOf(id)
	switch there := value != nil; {
	case there == o.namespaces[namespace]:
		c.tidy(id)
	case there:
		o.namespaces[namespace] = true
		o.names += len(namespace)
		c.grow(id, o, namespaceWeight(id, namespace))
	default:
		delete(o.namespaces, namespace)
		o.names -= len(namespace)
		c.grow(id, o, -namespaceWeight(id, namespace))
		if d := c.byID[id]; d != nil {
			c.kick(d.name)
		}
	}
	return nil
}

// namespaceRows are the names of the namespaces' rows that begin with a prefix.
func (c *Catalog) namespaceRows(prefix string) (names []string) {
	of, _, one := strings.Cut(prefix, "/")
	c.mu.RLock()
	defer c.mu.RUnlock()
	for id, o := range c.contents {
		if one && id != of {
			continue
		}
		for namespace := range o.namespaces {
			if name := id + "/" + namespace; strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}

// putAnnotations takes changes of annotations' rows. They are dropped only with all others of their database.
func (c *Catalog) putAnnotations(changes eventlog.Changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, prefix := range changes.Dropped {
		for id, o := range c.contents {
			if strings.HasPrefix(rowAnnotation+id+"/", prefix) {
				n := o.annotated
				clear(o.annotations)
				o.annotated = 0
				c.grow(id, o, -n)
			}
		}
	}
	for _, r := range changes.Rows {
		id, stream, _ := strings.Cut(strings.TrimPrefix(r.Key, rowAnnotation), "/")
		o, key := c.contentsOf(id), maphash.String(c.seed, stream)
		n := -o.annotations[key]
		delete(o.annotations, key)
		if r.Value != nil {
			o.annotations[key] = weightOf(r)
			n += weightOf(r)
		}
		o.annotated += n
		c.grow(id, o, n)
	}
}
