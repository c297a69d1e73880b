package handover

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
)

// Layout describes records that are used as they lie in memory: names, types and offsets of their fields.
// Two programs with the same description can use each other's records.
func Layout(of ...reflect.Type) string {
	var text strings.Builder
	for _, t := range of {
		describe(&text, t)
		text.WriteByte('\n')
	}
	return text.String()
}

func describe(text *strings.Builder, t reflect.Type) {
	switch t.Kind() {
	case reflect.Struct:
		fmt.Fprintf(text, "%d{", t.Size())
		for f := range t.NumField() {
			field := t.Field(f)
			fmt.Fprintf(text, "%s@%d ", field.Name, field.Offset)
			describe(text, field.Type)
			text.WriteByte(';')
		}
		text.WriteByte('}')
	case reflect.Array:
		fmt.Fprintf(text, "[%d]", t.Len())
		describe(text, t.Elem())
	default:
		text.WriteString(t.Kind().String())
	}
}

// Sum returns a short hash of a layout.
func Sum(layout string) string {
	sum := sha256.Sum256([]byte(layout))
	return hex.EncodeToString(sum[:8])
}
