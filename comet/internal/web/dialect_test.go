package web

import (
	"bytes"
	"testing"
)

// TestDialects: no two dialects share a path of one side, a name, or a name space, and each
// path has a function.
func TestDialects(t *testing.T) {
	type place struct {
		side int
		path string
	}
	taken, names := map[place]string{}, map[string]bool{}
	var homes [][]byte
	for _, d := range dialects {
		var own endpoints
		d.addPaths(&own, &Config{Compat: CompatIComet()})
		paths := 0
		for side := range own {
			for path, e := range own[side] {
				at := place{side, path}
				if other, is := taken[at]; is {
					t.Errorf("%s on side %d: %q has it, and %q", path, side, other, d.name)
				}
				if taken[at] = d.name; e.serve == nil || len(e.methods) == 0 {
					t.Errorf("%s on side %d cannot be served", path, side)
				}
				paths++
			}
		}
		if paths == 0 || names[d.name] || dialectNamed([]byte(d.name)) == nil {
			t.Errorf("%q: %d paths", d.name, paths)
		}
		names[d.name] = true
		buf, n := d.nameBuffer([]byte("news"))
		for _, other := range homes {
			if bytes.Equal(other, buf.B[:n]) {
				t.Errorf("%q: channel news is %q, as in another dialect", d.name, other)
			}
		}
		homes = append(homes, bytes.Clone(buf.B[:n]))
	}
	if dialectNamed([]byte("other")) != nil {
		t.Error("an unknown dialect was found")
	}
}
