package comet

import (
	"encoding/json"
	"fmt"
	"strings"
)

// batchWaits begins what a publisher of a batch waits for; the contents follow, separated by
// spaces.
const batchWaits = "batch "

// publishBatch publishes a batch to random channels, some of it twice with a key.
func (w *world) publishBatch(messages int) {
	p := w.publisher()
	var lines, contents []string
	for range messages {
		w.published++
		cname := channelName(w.rng.IntN(channels))
		content := fmt.Sprintf("%s.%d.%s", cname, w.published, strings.Repeat("x", w.rng.IntN(1+w.rng.IntN(1000))))
		one := line(cname, content)
		if w.rng.IntN(3) == 0 {
			one = fmt.Sprintf(`{"content":%q,"key":"k%d","cname":%q}`, content, w.published, cname)
			if w.rng.IntN(2) == 0 && !w.harsh { // a key is not remembered if there was no memory for it
				lines, contents = append(lines, one), append(contents, content)
			}
		}
		lines, contents = append(lines, one), append(contents, content)
	}
	if w.rng.IntN(2) == 0 {
		p.write(reqBatch(1, asLines, strings.Join(lines, "\n")))
	} else {
		p.write(reqBatch(1, asJSON, "["+strings.Join(lines, ",")+"]"))
	}
	p.waiting = append(p.waiting, batchWaits+strings.Join(contents, " "))
}

// acknowledgeBatch handles the answer to a batch.
func (w *world) acknowledgeBatch(batch, body string) {
	body = strings.TrimSpace(body)
	if !strings.HasPrefix(body, "[") {
		body = "[" + strings.ReplaceAll(body, "\n", ",") + "]"
	}
	var answers []struct {
		Seq            int32
		Error, Content string
	}
	contents := strings.Split(batch, " ")
	if err := json.Unmarshal([]byte(body), &answers); err != nil || len(answers) != len(contents) {
		w.fail("a batch of %d was answered %.200q: %v", len(contents), body, err)
	}
	for n, content := range contents {
		a := answers[n]
		if w.harsh && a.Error == "503" {
			w.got["not published"]++
			continue
		}
		if was, ok := w.numbers[content]; a.Error != "" || ok && was != a.Seq {
			w.fail("%.40q was answered %+v, and was given number %d", content, a, was)
		}
		w.numbers[content] = a.Seq
		w.got["published in a batch"]++
	}
}
