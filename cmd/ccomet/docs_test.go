package main

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The documents are compared with the repository and the program. docscommands_test.go runs
// their commands.

const root = "../.."

// document is a document of the repository.
type document struct {
	name   string // relative to the root
	prose  string // without code blocks
	blocks []block
	spans  []string // `text` in the prose
}

// block is a code block between two lines of ```.
type block struct {
	kind, section, text string // section: title of the chapter
}

var (
	spanPattern    = regexp.MustCompile("`([^`]+)`")
	linkPattern    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// documents reads all documents.
func documents(t *testing.T) map[string]document {
	t.Helper()
	found := map[string]document{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if entry.IsDir() && (entry.Name() == ".git" || name == "bin" || name == "bench/out") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[name] = parseDocument(name, string(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 6 {
		t.Fatalf("only %d documents were found", len(found))
	}
	return found
}

func parseDocument(name, text string) document {
	d := document{name: name}
	section := ""
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 1 {
			kind, body, _ := strings.Cut(part, "\n")
			d.blocks = append(d.blocks, block{kind, section, body})
			continue
		}
		d.prose += part + "\n"
		for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(part, -1) {
			section = heading[1]
		}
	}
	for _, span := range spanPattern.FindAllStringSubmatch(d.prose, -1) {
		d.spans = append(d.spans, strings.Join(strings.Fields(span[1]), " "))
	}
	return d
}

// anchors returns the anchors of a document's headings, as web sites generate them.
func (d document) anchors() []string {
	var found []string
	for _, heading := range headingPattern.FindAllStringSubmatch(d.prose, -1) {
		text := strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")
		found = append(found, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(text, ""))
	}
	return found
}

// TestDocumentsLinks: each link leads to an existing file, and to an existing heading in it.
// The README links to every document, directly or indirectly.
func TestDocumentsLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	reached := map[string]bool{}
	for _, d := range all {
		for _, link := range linkPattern.FindAllStringSubmatch(spanPattern.ReplaceAllString(d.prose, ""), -1) {
			target, err := url.Parse(link[1])
			if err != nil || target.Scheme != "" && target.Scheme != "https" {
				t.Errorf("%s: %s is no link", d.name, link[1])
			}
			if err != nil || target.Scheme != "" {
				continue
			}
			name := d.name
			if target.Path != "" {
				name = filepath.Join(filepath.Dir(d.name), target.Path)
			}
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s links to %s: %v", d.name, link[1], err)
			}
			if target.Fragment != "" && !slices.Contains(all[name].anchors(), target.Fragment) {
				t.Errorf("%s links to %s, which has no such heading", d.name, link[1])
			}
			reached[name] = reached[name] || d.name == "README.md"
		}
	}
	for name := range all {
		if name != "README.md" && !reached[name] {
			t.Errorf("README.md has no link to %s", name)
		}
	}
}

// TestDocumentsPlots: the document about the measurements shows each saved plot.
func TestDocumentsPlots(t *testing.T) {
	t.Parallel()
	results := documents(t)["bench/RESULTS.md"].prose
	plots, err := filepath.Glob(filepath.Join(root, "bench/results/*.svg"))
	if err != nil || len(plots) == 0 {
		t.Fatalf("no plots in bench/results: %v", err)
	}
	for _, plot := range plots {
		if name := "results/" + filepath.Base(plot); !strings.Contains(results, "]("+name+")") {
			t.Errorf("bench/RESULTS.md does not show %s", name)
		}
	}
}

// TestDocumentsFiles: each file or folder named in a document exists, and the map of the code
// names every folder with code.
func TestDocumentsFiles(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`^(\.ci|bench|cmd|comet|demo|httplite|reactor)/[\w./*-]*$`)
	all := documents(t)
	for _, d := range all {
		for _, span := range d.spans {
			if found, err := filepath.Glob(filepath.Join(root, span)); named.MatchString(span) && (err != nil || found == nil) {
				t.Errorf("%s: there is no %s", d.name, span)
			}
		}
	}
	codeMap := all["comet/README.md"].prose
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}", "ccomet/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if folder := strings.TrimPrefix(path, "ccomet/"); !strings.Contains(codeMap, "`"+folder+"/") && !strings.Contains(codeMap, "`"+folder+"`") {
			t.Errorf("comet/README.md does not say what %s is for", folder)
		}
	}
}

// TestDocumentsDependencies: exactly the modules that go.mod requires directly are explained.
func TestDocumentsDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	_, table, _ := strings.Cut(documents(t)["comet/README.md"].prose, "\n## Dependencies\n")
	explained := 0
	for _, module := range modules {
		name := regexp.MustCompile(`/v\d+$`).ReplaceAllString(strings.TrimPrefix(module, "github.com/"), "")
		if strings.Contains(table, "`"+name) {
			explained++
		} else {
			t.Errorf("comet/README.md does not say what %s is for", module)
		}
	}
	named := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`"+`[^|]+`+"`"+`.*?) \|`).FindAllStringSubmatch(table, -1) {
		named += len(spanPattern.FindAllString(row[1], -1))
	}
	if tools := 1; named != explained+tools || len(modules) == 0 {
		t.Errorf("comet/README.md names %d modules, and go.mod has %d of them", named, explained)
	}
}

// TestDocumentsLength: the README is short enough to be read.
func TestDocumentsLength(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 150 {
		t.Errorf("README.md has %d lines, and may have 150", n)
	}
}

// TestDocumentsNames: flags, variables, commands, tasks and metrics named in the documents
// exist.
func TestDocumentsNames(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--state", filepath.Join(t.TempDir(), "state")) // it has metrics of its own
	metrics := get(t, p.admin, "/metrics").body
	_, err := exec.LookPath("redis-server")
	shares := err == nil && !testing.Short()
	if shares {
		metrics += get(t, newSharing(t, 1).nodes[0].admin, "/metrics").body
	}
	flags, commands := flagsAndCommands(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, others := range []string{"stop-timeout", "data", "data-binary", "header"} { // flags of Docker and curl
		flags[others] = true
	}
	flagPattern, wordPattern := regexp.MustCompile(`(?:^|[\s(])--([a-z][a-z-]+)`), regexp.MustCompile(`^(ccomet|make) ([a-z-]+)`)
	for _, d := range documents(t) {
		texts := d.spans
		for _, b := range d.blocks {
			if b.kind == "sh" || b.kind == "console" {
				texts = append(texts, b.text)
			}
		}
		for _, text := range texts {
			for _, flag := range flagPattern.FindAllStringSubmatch(text, -1) {
				if !flags[flag[1]] {
					t.Errorf("%s: no program has --%s", d.name, flag[1])
				}
			}
			if name, is := strings.CutPrefix(text, "CCOMET_"); is && !strings.Contains(name, "SEED") {
				name, _, _ = strings.Cut(name, "=")
				if flag := strings.ReplaceAll(strings.ToLower(name), "_", "-"); !flags[flag] {
					t.Errorf("%s: no flag has the variable %s", d.name, text)
				}
			}
			if strings.HasPrefix(text, "ccomet_") && (shares || !strings.HasPrefix(text, "ccomet_cluster_")) && !strings.Contains(metrics, "\n"+text) && !strings.Contains(metrics, "# TYPE "+text+" ") {
				t.Errorf("%s: /metrics has no %s", d.name, text)
			}
			if command, is := strings.CutPrefix(text, "ccomet "); is && !strings.ContainsAny(command, "'…\n") {
				if _, stderr, status := runFor(t, nil, append(strings.Fields(command), "--help")...); status != 0 {
					t.Errorf("%s: %s: %s", d.name, text, stderr)
				}
			}
			if m := wordPattern.FindStringSubmatch(text); m != nil && m[1] == "ccomet" && !commands[m[2]] {
				t.Errorf("%s: there is no command %s", d.name, m[0])
			} else if m != nil && m[1] == "make" && !strings.Contains(string(makefile), "\n"+m[2]+":") {
				t.Errorf("%s: the Makefile has no %s", d.name, m[2])
			}
		}
	}
}

// flagsAndCommands returns the flags of both programs, and the commands of ccomet.
func flagsAndCommands(t *testing.T) (flags, commands map[string]bool) {
	t.Helper()
	parser, err := newParser(&commandLine{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	flags, commands = map[string]bool{}, map[string]bool{}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Flag:
			flags[node.Name] = true
		case *kong.Node:
			commands[node.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"compare", "hold", "fanout", "channels", "latency", "cluster", "storm", "upgrade", "siege", "soak", "loop", "idle", "calls", "report"} {
		out, err := exec.Command(benchProgram(t), command, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z-]+)`).FindAllStringSubmatch(string(out), -1) {
			flags[flag[1]] = true
		}
	}
	return flags, commands
}

// TestDocumentsPaths: each path in the protocol's tables is served by its side.
func TestDocumentsPaths(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo", "--ccomet", "127.0.0.1:0")
	all := documents(t)
	served := func(d document, section, address string) {
		t.Helper()
		_, text, _ := strings.Cut(d.prose, "\n## "+section+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		n := 0
		for _, row := range regexp.MustCompile("(?m)^\\| (`/.*?`) \\|").FindAllStringSubmatch(text, -1) {
			for _, path := range spanPattern.FindAllStringSubmatch(row[1], -1) {
				name, _, _ := strings.Cut(path[1], "?")
				resp, err := client.Get("http://" + address + name)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close() // it may be endless
				if n++; resp.StatusCode == http.StatusNotFound {
					t.Errorf("%s, %s: %s is not served", d.name, section, name)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s has no table of paths in %s", d.name, section)
		}
	}
	served(all["comet/PROTOCOL.md"], "Subscribing", p.front)
	served(all["comet/PROTOCOL.md"], "Publishing", p.admin)
	served(all["comet/PROTOCOL.md"], "CComet's own dialect", p.address("ccomet"))
	served(document{name: "demo/README.md", prose: "\n## \n" + all["demo/README.md"].prose}, "", p.front)
}

// TestDocumentsExamples: JSON examples are valid, the example page receives a message, and its
// script publishes one.
func TestDocumentsExamples(t *testing.T) {
	t.Parallel()
	pages := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			switch b.kind {
			case "json":
				if !json.Valid([]byte(b.text)) {
					t.Errorf("%s: no JSON: %s", d.name, b.text)
				}
			case "html":
				pages++
				t.Run(d.name, func(t *testing.T) { t.Parallel(); examplePage(t, b.text) })
			case "js":
				t.Run(d.name, func(t *testing.T) { t.Parallel(); exampleScript(t, b.text) })
			case "", "sh", "console":
			default:
				t.Errorf("%s: no check for examples in %s", d.name, b.kind)
			}
		}
	}
	if pages != 1 {
		t.Errorf("%d pages were tried", pages)
	}
}

func examplePage(t *testing.T, text string) {
	p := start(t, nil, "--demo")
	w := newBrowser(t).open(t, "http://"+p.front+"/demo/js/comet.js", `console.log = (...a) => { (window.logged ??= []).push(a.join(" ")); }`)
	w.run(`document.write(` + quoted(text) + `)`)
	p.waits(t, 1, "news")
	p.push("news", "hello")
	w.holds(`window.logged?.includes("news hello")`)
}

func exampleScript(t *testing.T, text string) {
	p := start(t, nil, "--demo")
	w := newBrowser(t).open(t, "http://"+p.front+empty, "")
	w.listen(p.front, "{}")
	w.run("(async () => {" + text + "window.published = seq; })()")
	w.holds("window.published === 1")
}
