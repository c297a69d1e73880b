package websocket

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// This package does not use sockets, and of this project it imports only httplite: no other imports are allowed. The
// packages that it is compared with (gobwas/ws) are imported only by tests.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		`"bytes"`: true, `"crypto/sha1"`: true, `"encoding/base64"`: true, `"encoding/binary"`: true, `"errors"`: true,
		`"math/bits"`: true, `"slices"`: true, `"strconv"`: true, `"unicode/utf8"`: true,
		`"ccomet/httplite"`: true, `"github.com/klauspost/compress/flate"`: true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			if !allowed[imp.Path.Value] {
				t.Errorf("%s imports %s", name, imp.Path.Value)
			}
		}
	}
}
