// Package known helps tests to hold that each field of a struct is handed over, or that
// somebody has said why it is not.
package known

import (
	"reflect"
	"testing"
)

// Fields compares the fields of a struct with those that are known.
func Fields(t *testing.T, of reflect.Type, fields map[string]string) {
	t.Helper()
	for i := range of.NumField() {
		if name := of.Field(i).Name; fields[name] == "" {
			t.Errorf("%v.%s: is it handed over?", of, name)
		}
	}
	for name := range fields {
		if _, ok := of.FieldByName(name); !ok {
			t.Errorf("%v has no %s", of, name)
		}
	}
}
