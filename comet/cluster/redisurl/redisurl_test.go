package redisurl

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// visible is what is to be seen of Servers, without what two URLs are compared by.
func visible(s Servers) Servers {
	s.scheme, s.parameters, s.userTag = "", "", ""
	return s
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Servers{
		"redis://a":                         {Addresses: []string{"a:6379"}},
		"redis://[::1]":                     {Addresses: []string{"[::1]:6379"}},
		"redis://[::1]:7000/3":              {Addresses: []string{"[::1]:7000"}, DB: 3},
		"redis://:p%40%2F%3A@10.0.0.1:1/0":  {Addresses: []string{"10.0.0.1:1"}, Password: "p@/:"},
		"redis://u:a:b@h":                   {Addresses: []string{"h:6379"}, Username: "u", Password: "a:b"},
		"redis://u:a@b@h":                   {Addresses: []string{"h:6379"}, Username: "u", Password: "a@b"},
		"redis://a:1,b,c:3":                 {Kind: Cluster, Addresses: []string{"a:1", "b:6379", "c:3"}},
		"redis://:x@a:1 redis://:x@b":       {Kind: Cluster, Addresses: []string{"a:1", "b:6379"}, Password: "x"},
		"rediss://a?ca=/x.pem&servername=b": {Addresses: []string{"a:6379"}, TLS: true, CA: "/x.pem", ServerName: "b"},
		"rediss://a?cert=c&key=k":           {Addresses: []string{"a:6379"}, TLS: true, Cert: "c", Key: "k"},
		"redis-sentinel://a b:1 c/mine":     {Kind: Sentinel, Addresses: []string{"a:26379", "b:1", "c:26379"}, Master: "mine"},
		"redis-sentinel://:p@a/m/2?sentinel_user=u&sentinel_password=q": {Kind: Sentinel, Addresses: []string{"a:26379"}, Master: "m", DB: 2,
			Password: "p", SentinelUsername: "u", SentinelPassword: "q"},
		"rediss-sentinel://a/m":       {Kind: Sentinel, Addresses: []string{"a:26379"}, Master: "m", TLS: true},
		"unix:///run/redis.sock":      {Kind: Unix, Addresses: []string{"/run/redis.sock"}},
		"unix://u:hidden@/run/r?db=3": {Kind: Unix, Addresses: []string{"/run/r"}, Username: "u", Password: "hidden", DB: 3},
	} {
		if got, err := Parse(strings.Fields(text)); err != nil || !reflect.DeepEqual(visible(got), want) {
			t.Errorf("%s: %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

// TestRefused: each error says what is wrong, and none has the password in it.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "no URL",
		"a:6379":                                 "begins with redis://",
		"http://a":                               "begins with redis://",
		"redis:/hidden@a":                        "begins with redis://",
		"redis://":                               "want HOST",
		"redis://:hidden@":                       "want HOST",
		"redis://:hidden@a:0":                    "want HOST",
		"redis://:hidden@a:65536":                "want HOST",
		"redis://:hidden@a:b":                    "want HOST",
		"redis://a,":                             "want HOST",
		"redis://::1":                            "want HOST",
		"redis://:hid/den@a":                     "write a slash in a password as %2F",
		"redis://:hid%zzden@a":                   "%25",
		"redis://user@a":                         "no password",
		"redis://a/x":                            "want a number",
		"redis://a/-1":                           "want a number",
		"redis://a/1/2":                          "want a number",
		"redis://:hidden@a,b/1":                  "no database but 0",
		"redis://a,a:6379":                       "twice",
		"redis://a redis://a":                    "twice",
		"redis://a?ca=x":                         "are for rediss://",
		"rediss://a?x=1":                         "ca, cert, key, servername",
		"rediss://a?ca=1&ca=2":                   "once",
		"rediss://a?cert=1":                      "cert and key together",
		"redis://a?%zz":                          "malformed",
		"redis://a#x":                            "%23",
		"redis-sentinel://:hidden@a":             "name of the master",
		"redis-sentinel://a/m/x":                 "want a number",
		"redis-sentinel://a/m redis://b":         "in one URL",
		"unix://run/redis":                       "whole path",
		"unix://":                                "whole path",
		"unix:///a redis://b":                    "the only address",
		"unix:///a?ca=x":                         "db",
		"redis://:hidden@a redis://b":            "the same scheme",
		"redis://a rediss://b":                   "the same scheme",
		"redis://" + strings.Repeat("a", maxURL): "at most 4096",
	} {
		got, err := Parse(strings.Fields(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %+v, %v\nwant %s", text, got, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hid") || strings.Contains(got.String(), "hid")) {
			t.Errorf("%s: the password is in %q, %q", text, err, got)
		}
	}
}

// TestTLSConfig: what the files lack is told of with their names.
func TestTLSConfig(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"rediss://a?ca=/no/such":           "/no/such",
		"rediss://a?ca=" + empty:           "no certificate in it",
		"rediss://a?cert=/no/cert&key=/no": "/no/cert",
	} {
		s, err := Parse([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.TLSConfig(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if s, _ := Parse([]string{"redis://a"}); s.TLS {
		t.Error("TLS without being asked for")
	}
}

// FuzzParse: what is understood is understood again from what String tells of it, and nothing
// tells a password.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"redis://u:p@a:1,b/0", "rediss://a?ca=x", "redis-sentinel://a,b/m/1?sentinel_password=x", "redis://[::1]", "redis://a redis://b", "redis://:%zz@a", "unix:///a?db=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(strings.Split(text, " "))
		if err != nil {
			return
		}
		again, err := Parse([]string{s.String()})
		if err != nil || !reflect.DeepEqual(again.Addresses, s.Addresses) || again.Kind != s.Kind || again.DB != s.DB || again.Master != s.Master {
			t.Errorf("%q: %+v\nand again: %+v, %v", text, s, again, err)
		}
	})
}
