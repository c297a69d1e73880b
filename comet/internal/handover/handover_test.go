package handover

import (
	"bytes"
	"reflect"
	"testing"
)

type older struct {
	Name string
	Gone []byte
}

type newer struct {
	Name  string
	Fresh int
}

func written(t testing.TB) []byte {
	var file bytes.Buffer
	w := NewWriter(&file)
	w.Value("server", older{"news", []byte("x")})
	w.Part(1).Value("hub", older{Name: "second"})
	w.Part(1).Raw("messages", []byte("one"))
	w.Part(1).Raw("messages", nil)
	w.Part(1).Raw("messages", []byte("three"))
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestFile: a reader of another version reads the fields that it knows.
func TestFile(t *testing.T) {
	r, err := NewReader(written(t))
	if err != nil {
		t.Fatal(err)
	}
	var server, hub newer
	if err := r.Value("server", &server); err != nil || server != (newer{Name: "news"}) {
		t.Errorf("%+v, %v", server, err)
	}
	if err := r.Part(1).Value("hub", &hub); err != nil || hub.Name != "second" {
		t.Errorf("%+v, %v", hub, err)
	}
	if list := r.Part(1).Raw("messages"); len(list) != 3 || string(list[0])+string(list[1])+string(list[2]) != "onethree" {
		t.Errorf("%q", list)
	}
	if err := r.Value("hub", &hub); err == nil {
		t.Error("what is another part's is read")
	}
	if err := r.Value("server", new(struct{ Name int })); err == nil {
		t.Error("a name is read as a number")
	}
}

// TestFileTorn: a file that is cut off, or has a wrong byte, is refused.
func TestFileTorn(t *testing.T) {
	file := written(t)
	for n := range file {
		if _, err := NewReader(file[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a file", n, len(file))
		}
		spoilt := bytes.Clone(file)
		spoilt[n] ^= 0x40
		if _, err := NewReader(spoilt); err == nil {
			t.Errorf("byte %d is wrong, and taken", n)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(written(f))
	f.Fuzz(func(_ *testing.T, file []byte) {
		if r, err := NewReader(file); err == nil {
			_ = r.Value("server", &newer{})
		}
	})
}

// TestLayout: fields in another order, or with other sizes or names, are another layout.
func TestLayout(t *testing.T) {
	type record struct {
		A uint32
		B [2]uint16
	}
	type swapped struct {
		B [2]uint16
		A uint32
	}
	type wider struct {
		A uint32
		B [2]uint32
	}
	type renamed struct {
		A uint32
		C [2]uint16
	}
	type same struct {
		A uint32
		B [2]uint16
	}
	first := Layout(reflect.TypeFor[record]())
	if Layout(reflect.TypeFor[same]()) != first {
		t.Error("the same layout is another")
	}
	for _, other := range []reflect.Type{reflect.TypeFor[swapped](), reflect.TypeFor[wider](), reflect.TypeFor[renamed]()} {
		if Layout(other) == first {
			t.Errorf("%v is taken for the same: %s", other, first)
		}
	}
	if len(Sum(first)) != 16 || Sum(first) == Sum("") {
		t.Errorf("sum %q", Sum(first))
	}
}
