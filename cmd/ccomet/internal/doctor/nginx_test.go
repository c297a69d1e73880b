package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// nginxFiles returns a file system with configurations.
func nginxFiles(texts map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// show formats a block.
func (d *nginxDirective) show() string {
	var b strings.Builder
	for _, inner := range d.block {
		b.WriteString(inner.name)
		for _, arg := range inner.args {
			b.WriteString(" [" + arg + "]")
		}
		if inner.block != nil {
			b.WriteString("{" + inner.show() + "}")
		}
		b.WriteString(";")
	}
	return b.String()
}

func TestNginxFile(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"a;b c;", "a;b [c];"},
		{"# all\na 1 # some }\n\t2;#", "a [1] [2];"},
		{`a "b;{}#" 'c "d"' "\"" "";`, `a [b;{}#] [c "d"] ["] [];`},
		{`"}" a;`, `} [a];`},
		{"a {b c;d{}}e;", "a{b [c];d{};};e;"},
		{"location ~ ^/a\\{1\\}$ {b;}", "location [~] [^/a\\{1\\}$]{b;};"},
		{"a ${b}c$d/;", "a [${b}c$d/];"},
		{"a b#c;", "a [b#c];"},
	} {
		config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": c.text}), "/n")
		if err != nil || config.top.show() != c.want {
			t.Errorf("%q: %v %v, want %s", c.text, config, err, c.want)
		}
	}
	config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": "content_by_lua_block {\n if a then x{1; 2} end }\nb;"}), "/n")
	if err != nil || config.top.show() != "content_by_lua_block;b;" || config.top.block[1].line != 3 {
		t.Error(config, err)
	}
}

// TestNginxIncludes: included directives are in their place, and have their own file and line.
func TestNginxIncludes(t *testing.T) {
	files := nginxFiles(map[string]string{
		"/etc/nginx/nginx.conf":      "a;\nhttp {\n include conf.d/*.conf; include /etc/nginx/none/*; include 'more';\n}",
		"/etc/nginx/conf.d/1.conf":   "one;\ninclude more;",
		"/etc/nginx/conf.d/2.conf":   "two {\n  three; }",
		"/etc/nginx/conf.d/not.txt":  "not;",
		"/etc/nginx/more":            "more;",
		"/etc/nginx/bad/missing":     "include missing-too;",
		"/etc/nginx/bad/loop":        "include bad/loop;",
		"/etc/nginx/loop":            "include loop;",
		"/etc/nginx/two":             "include a b;",
		"/etc/nginx/included-errors": "a;\ninclude unended;",
		"/etc/nginx/unended":         "\nb {",
		"/etc/nginx/pattern":         "include [;",
	})
	config, err := ReadNginxConfig(files, "/etc/nginx/nginx.conf")
	if err != nil || config.top.show() != "a;http{one;more;two{three;};more;};" {
		t.Fatal(config, err)
	}
	if three := config.top.block[1].block[2].block[0]; three.place() != "/etc/nginx/conf.d/2.conf:2" || three.parent.name != "two" || three.parent.parent.name != "http" {
		t.Error(three.place(), three.parent.name)
	}
	for name, want := range map[string]string{
		"none": "/etc/nginx/none: file does not exist", "bad/missing": "/etc/nginx/bad/missing-too: file does not exist", "loop": "20 deep", "two": "two:1: include: want one file",
		"included-errors": `/etc/nginx/unended:2: the file ends within "b", begun in line 2`, "pattern": "pattern:1: include",
	} {
		if config, err := ReadNginxConfig(files, "/etc/nginx/"+name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %s", name, config, err, want)
		}
	}
}

func TestNginxFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a": `n:1: "a", begun in line 1, ends without`, "a\n b }": `n:2: "a", begun in line 1`, "a;}": `"}" that ends nothing`, "a {\nb;": `within "a", begun in line 1`,
		"{": `"{" where a directive begins`, ";": `";" where`, "a 'b": "without an end", "a \"\\": "without an end", "x_by_lua_block {": "Lua",
	} {
		if config, err := ReadNginxConfig(nginxFiles(map[string]string{"n": text}), "n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %s", text, config, err, want)
		}
	}
}

// FuzzNginxFile: a malformed file causes an error and nothing worse.
func FuzzNginxFile(f *testing.F) {
	for _, name := range []string{"nginx.conf", "nginx-shards.conf"} {
		text, err := os.ReadFile("../../../../demo/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a {b 'c\\'' \"d\"; include n;}#\nx_by_lua_block {{}}e ${f}g\\;")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := ReadNginxConfig(nginxFiles(map[string]string{"n": text}), "n")
		if err == nil {
			CheckNginx(config, with(), Demand{Conns: 1, Fronts: []string{"127.0.0.1:8100"}, Polling: time.Second, Processors: 1})
		}
	})
}

// TestNginxTargets: a variable in a target has the values of its table or its set.
func TestNginxTargets(t *testing.T) {
	config, err := ReadNginxConfig(nginxFiles(map[string]string{"n": `http {
		split_clients $key $node { 50% one; * two; }
		map $host $pool { default a:1; x b:2; y b:2; }
		server { set $set http://s:3; location / { proxy_pass http://u; } }
	}`}), "n")
	if err != nil {
		t.Fatal(err)
	}
	http := config.top.find("http")
	location := http.find("server").find("location")
	for target, want := range map[string]string{
		"http://u/x": "[http://u/x]", "http://front_$node": "[http://front_one http://front_two]", "http://${node}-x/": "[http://one-x/ http://two-x/]",
		"http://$pool": "[http://a:1 http://b:2]", "$set": "[http://s:3]", "http://$other/": "[http://$other/]", "$": "[$]", "http://a${": "[http://a${]", "${node": "[one two]",
	} {
		if got := fmt.Sprint(targets(location, http, target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

func TestNginxTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"60": time.Minute, "60s": time.Minute, "1m30s": 90 * time.Second, "1h 30m": 90 * time.Minute, "500ms": time.Second / 2,
		"1d": 24 * time.Hour, "2M": 60 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "": -1, "s": -1, "1x": -1, "$a": -1,
	} {
		got, ok := nginxTime(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v %v, want %v", text, got, ok, want)
		}
	}
}

// nginxFor returns a configuration that is OK for 10,000 connections, with pieces replaced.
func nginxFor(replace ...string) string {
	text := `worker_processes 4; worker_rlimit_nofile 7000;
events { worker_connections 6500; }
http {
	upstream ccomet { server 127.0.0.1:8100 max_fails=0; keepalive 64; }
	gzip off;
	proxy_set_header Connection "";
	server { location /comet/ {
		proxy_pass http://ccomet/;
		proxy_http_version 1.1; proxy_read_timeout 60s;
	} location /other { proxy_pass http://127.0.0.1:9000; } }
}`
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			panic(replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

func TestDoctorNginx(t *testing.T) {
	const pass, upstream = "http://ccomet/", "127.0.0.1:8100 max_fails=0"
	for _, c := range []struct {
		name    string
		front   string
		replace []string
		found   string // the end of the bad finding's name; "" for none
		status  Status
		says    []string
	}{
		{"well", "127.0.0.1:8100", nil, "", OK, nil},
		{"every address", ":8100", nil, "", OK, nil},
		{"a name", "127.0.0.1:8100", []string{upstream, "localhost:8100"}, "", OK, nil},
		{"unix socket", "unix:/run/c.sock", []string{upstream, "unix:/run/c.sock"}, "", OK, nil},
		{"few connections", "127.0.0.1:8100", []string{"worker_connections 6500;", ""}, "worker_connections", Bad, []string{"512, 4 workers", "worker_connections 6350;", "n, within events"}},
		{"uneven connections", "127.0.0.1:8100", []string{"worker_connections 6500;", "worker_connections 5000;"}, "worker_connections", Warn, []string{"6350"}},
		{"automatic workers", "127.0.0.1:8100", []string{"worker_processes 4;", "worker_processes auto;"}, "", OK, nil},
		{"few descriptors", "127.0.0.1:8100", []string{"worker_rlimit_nofile 7000;", "worker_rlimit_nofile 4096;"}, "worker_rlimit_nofile", Bad, []string{"worker_rlimit_nofile 6450;", "n, at the top"}},
		{"no descriptors said", "127.0.0.1:8100", []string{"worker_rlimit_nofile 7000;", ""}, "worker_rlimit_nofile", Bad, []string{"not set", "1,024"}},
		{"another server", "127.0.0.1:8111", nil, "the way to the server", Bad, []string{"proxy_pass http://127.0.0.1:8111/;"}},
		{"another socket", "unix:/run/c.sock", []string{upstream, "unix:/run/d.sock"}, "the way to the server", Bad, []string{"proxy_pass http://unix:/run/c.sock:/;"}},
		{"a variable", "127.0.0.1:8100", []string{pass, "http://$comet/"}, "the way to the server", Bad, []string{"variable"}},
		{"short silence", "127.0.0.1:8100", []string{"proxy_read_timeout 60s", "proxy_read_timeout 30s"}, "proxy_read_timeout", Bad, []string{"proxy_read_timeout 60s;", "location /comet/", "/n:7, within the location"}},
		{"silence, just", "127.0.0.1:8100", []string{"proxy_read_timeout 60s", "proxy_read_timeout 31s"}, "proxy_read_timeout", Warn, nil},
		{"silence of around", "127.0.0.1:8100", []string{"gzip off;", "proxy_read_timeout 5s;", " proxy_read_timeout 60s;", ""}, "proxy_read_timeout", Bad, nil},
		{"silence of a variable", "127.0.0.1:8100", []string{"proxy_read_timeout 60s", "proxy_read_timeout $a"}, "proxy_read_timeout", Warn, nil},
		{"usual silence", "127.0.0.1:8100", []string{" proxy_read_timeout 60s;", ""}, "", OK, nil},
		{"ignored", "127.0.0.1:8100", []string{"gzip off;", "proxy_ignore_headers Expires x-accel-buffering;"}, "proxy_buffering", Bad, []string{"proxy_buffering off;", "/n:5"}},
		{"ignored, without need", "127.0.0.1:8100", []string{"gzip off;", "proxy_ignore_headers X-Accel-Buffering; proxy_buffering off;"}, "", OK, nil},
		{"old version", "127.0.0.1:8100", []string{"proxy_http_version 1.1;", ""}, "connections to the server", Warn, []string{"HTTP/1.0", "proxy_http_version 1.1;"}},
		{"no keepalive", "127.0.0.1:8100", []string{pass, "http://127.0.0.1:8100"}, "connections to the server", Warn, []string{"keepalive 64;"}},
		{"idle for as long", "127.0.0.1:8100", []string{"keepalive 64;", "keepalive 64; keepalive_timeout 75s;"}, "keepalive_timeout of the upstream", Bad, []string{"less than 1m15s", "keepalive_timeout 45s;"}},
		{"idle for less", "127.0.0.1:8100", []string{"keepalive 64;", "keepalive 64; keepalive_timeout 70s;"}, "", OK, nil},
		{"idle for a variable", "127.0.0.1:8100", []string{"keepalive 64;", "keepalive 64; keepalive_timeout $a;"}, "keepalive_timeout of the upstream", Warn, nil},
		{"the header lost", "127.0.0.1:8100", []string{"proxy_http_version 1.1;", "proxy_http_version 1.1; proxy_set_header Host $host;"}, "connections to the server", Warn, []string{`Connection "";`}},
		{"compressed", "127.0.0.1:8100", []string{"gzip off;", "gzip on;"}, "gzip", Warn, []string{"gzip off;"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": nginxFor(c.replace...)}), "/n")
			if err != nil {
				t.Fatal(err)
			}
			findings := checkButUpgrades(config, with(), Demand{Conns: 10_000, Fronts: []string{c.front}, Polling: 30 * time.Second, Idle: 75 * time.Second, Processors: 8})
			onlyFound(t, findings, func(name string) bool { return strings.HasSuffix(name, c.found) }, c.found, c.status, c.says)
		})
	}
}

// checkButUpgrades is CheckNginx without the finding on WebSockets, which these configurations
// do not pass on.
func checkButUpgrades(c *NginxConfig, m *Machine, w Demand) []Finding {
	return slices.DeleteFunc(CheckNginx(c, m, w), func(f Finding) bool { return f.Name == "nginx: WebSocket" })
}

// TestDoctorNginxWebSocket: an upgrade is passed on only with all the necessary directives.
func TestDoctorNginxWebSocket(t *testing.T) {
	const at, plain = "location /other", "proxy_http_version 1.1; proxy_read_timeout 60s;"
	ws := func(lines string) string {
		return "location = /comet/ws { proxy_pass http://ccomet/ws; proxy_set_header Host $http_host; " + lines + " } " + at
	}
	for lines, want := range map[string]Status{
		"":                                       Warn,
		plain:                                    Warn,
		plain + "proxy_set_header Connection x;": Warn,
		plain + "proxy_set_header Upgrade $http_upgrade;":                                          Warn,
		"proxy_set_header upgrade $http_upgrade; proxy_set_header connection upgrade;":             Warn,
		plain + "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrade;":    OK,
		plain + "proxy_set_header upgrade $http_upgrade; proxy_set_header connection \"upgrade\";": OK,
	} {
		config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": nginxFor(at, ws(lines))}), "/n")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range CheckNginx(config, with(), Demand{Conns: 1, Fronts: []string{"127.0.0.1:8100"}, Polling: 30 * time.Second, Idle: 75 * time.Second}) {
			if f.Name == "nginx: WebSocket" && f.Status != want {
				t.Errorf("%s: %v, %s", lines, f.Status, f.Have)
			}
		}
	}
}

// TestDoctorNginxIdle: nginx's defaults are compared with the server's idle timeout.
func TestDoctorNginxIdle(t *testing.T) {
	config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": nginxFor()}), "/n")
	if err != nil {
		t.Fatal(err)
	}
	for idle, want := range map[time.Duration]Status{60 * time.Second: Bad, 61 * time.Second: OK} {
		name, says := "", []string(nil)
		if want != OK {
			name, says = "keepalive_timeout of the upstream", []string{"60s, nginx's default", "keepalive_timeout 36s;"}
		}
		findings := checkButUpgrades(config, with(), Demand{Conns: 10_000, Fronts: []string{"127.0.0.1:8100"}, Polling: 30 * time.Second, Idle: idle, Processors: 8})
		onlyFound(t, findings, func(found string) bool { return strings.HasSuffix(found, name) }, name, want, says)
	}
}

// TestDoctorNginxPorts: nginx's ports are counted for each address that it uses.
func TestDoctorNginxPorts(t *testing.T) {
	for servers, want := range map[string]Status{
		"server 127.0.0.1:8100;":                                 Bad,
		"server 127.0.0.1:8100; server 127.0.0.1:8101;":          OK,
		"server 127.0.0.1:8100; server unix:/run/c.sock backup;": OK,
	} {
		config, err := ReadNginxConfig(nginxFiles(map[string]string{"/n": nginxFor("server 127.0.0.1:8100 max_fails=0;", servers)}), "/n")
		if err != nil {
			t.Fatal(err)
		}
		got := OK
		for _, f := range checkButUpgrades(config, with("net.ipv4.ip_local_port_range", "40000 46999"), Demand{Conns: 10_000, Fronts: []string{"127.0.0.1:8100"}, Polling: 30 * time.Second, Idle: 75 * time.Second}) {
			got = max(got, f.Status)
		}
		if got != want {
			t.Errorf("%s: %v, want %v", servers, got, want)
		}
	}
}
