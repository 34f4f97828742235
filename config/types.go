package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
)

// UnmarshalText reads process or disk.
func (d *Durability) UnmarshalText(b []byte) error {
	return oneOf((*string)(d), string(b), "process", "disk")
}

// UnmarshalText reads name or publish.
func (f *Frame) UnmarshalText(b []byte) error {
	return oneOf((*string)(f), string(b), "name", "publish")
}

// UnmarshalText reads text or json.
func (f *LogFormat) UnmarshalText(b []byte) error {
	return oneOf((*string)(f), string(b), "text", "json")
}

// UnmarshalText reads off, open or key.
func (r *RoomCreate) UnmarshalText(b []byte) error {
	return oneOf((*string)(r), string(b), "off", "open", "key")
}

// UnmarshalText reads handshake, public or strict.
func (a *SocketAuth) UnmarshalText(b []byte) error {
	return oneOf((*string)(a), string(b), "handshake", "public", "strict")
}

// UnmarshalText reads collection:field,field;collection:field.
func (x *Indexes) UnmarshalText(b []byte) error {
	all := Indexes{}
	for part := range strings.SplitSeq(string(b), ";") {
		collection, names, ok := strings.Cut(part, ":")
		collection = strings.TrimSpace(collection)
		var fields List
		if !ok || collection == "" || fields.UnmarshalText([]byte(names)) != nil {
			return errors.New("must be like messages:date_created,user;customer:name")
		}
		if all[collection] != nil {
			return fmt.Errorf("must be like messages:date_created,user;customer:name, with %s once", collection)
		}
		all[collection] = fields
	}
	*x = all
	return nil
}

func oneOf(dst *string, s string, words ...string) error {
	for _, w := range words {
		if s == w {
			*dst = s
			return nil
		}
	}
	return fmt.Errorf("must be %s", strings.Join(words, " or "))
}

// UnmarshalText reads a comma-separated list, without the white space around the items.
func (l *List) UnmarshalText(b []byte) error {
	var items List
	for item := range strings.SplitSeq(string(b), ",") {
		if item = strings.TrimSpace(item); item == "" {
			return errors.New("must be a comma-separated list without empty items")
		}
		items = append(items, item)
	}
	*l = items
	return nil
}

// UnmarshalText reads addresses (10.0.0.1) and networks (10.0.0.0/8).
func (n *Networks) UnmarshalText(b []byte) error {
	var items List
	if err := items.UnmarshalText(b); err != nil {
		return err
	}
	var networks Networks
	for _, item := range items {
		if ip := net.ParseIP(item); ip != nil {
			bits := 128
			if v4 := ip.To4(); v4 != nil {
				ip, bits = v4, 32
			}
			networks = append(networks, &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)})
			continue
		}
		_, network, err := net.ParseCIDR(item)
		if err != nil {
			return errors.New("must be addresses or networks, such as 10.0.0.1,192.168.0.0/16")
		}
		networks = append(networks, network)
	}
	*n = networks
	return nil
}

// Units of sizes. A suffix that ends another comes after it.
var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}

// UnmarshalText reads 512, 64KiB, 1.5GiB.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		number = strings.TrimSpace(number)
		if strings.Trim(number, "0123456789.") != "" {
			break // ParseFloat would take 1e9, 0x1p9, Inf too
		}
		n, err := strconv.ParseFloat(number, 64)
		if bytes := n * float64(u.bytes); err == nil && bytes < math.MaxInt64/2 {
			*s = Size(bytes)
			return nil
		}
		break
	}
	return errors.New("must be a size, such as 512B, 64KiB, 1MiB, 4GiB")
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
