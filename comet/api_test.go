package comet

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The documents state the bounds that are not settings.
func TestDocumentedBounds(t *testing.T) {
	if KeyTime != 2*time.Minute {
		t.Errorf("a key is remembered for %v, but the documents say two minutes", KeyTime)
	}
	for file, sentences := range map[string][]string{
		"PROTOCOL.md": {
			fmt.Sprintf("the channel: 1 to %d bytes of UTF-8", MaxName),
			fmt.Sprintf("`[NUMBER]`, at most %d characters", MaxCallback),
			fmt.Sprintf("Up to %d channels are possible", MaxBundle),
			fmt.Sprintf("`limit` (0 to %s; the default", grouped(MaxHistory)),
			fmt.Sprintf("`key` (1 to %d bytes)", MaxKey),
			fmt.Sprintf("at most %s) of its subscribers", grouped(MaxExplained)),
		},
		"../cmd/ccomet/OPERATING.md": {
			fmt.Sprintf("skips %s numbers", grouped(StateGap)),
			fmt.Sprintf("answers of at most %d MiB", MaxHandled>>20),
		},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, sentence := range sentences {
			if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), sentence) {
				t.Errorf("%s does not say %q", file, sentence)
			}
		}
	}
}

// grouped formats a number with a comma between groups of three digits.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
