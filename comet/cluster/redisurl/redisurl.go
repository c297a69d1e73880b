// Package redisurl reads the URLs that say where Redis is.
//
//	redis://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][/DB]
//	rediss://…?ca=FILE&cert=FILE&key=FILE&servername=NAME
//	redis-sentinel://…HOST[:PORT],…/MASTER[/DB]?sentinel_user=USER&sentinel_password=PASSWORD
//	rediss-sentinel://…
//	unix://[USER[:PASSWORD]@]/PATH?db=DB
//
// Several hosts of redis:// are nodes of one Redis Cluster. What stands before the @ may have
// any byte, escaped as %XX. No error and no String has a password in it.
package redisurl

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Kind is in which form Redis is there.
type Kind int

const (
	Single   Kind = iota // one address, which may be a Cluster's
	Sentinel             // the addresses are Sentinels'
	Cluster              // the addresses are nodes of one Cluster
	Unix                 // the address is the path of a socket on this machine
)

// Servers is where Redis is, and how it is spoken to. Its strings are free of passwords except
// the fields of that name.
type Servers struct {
	Kind      Kind
	Addresses []string // HOST:PORT, or a path
	Master    string   // the name by which Sentinels know it
	DB        int

	Username, Password                 string // of Redis
	SentinelUsername, SentinelPassword string

	TLS                         bool
	CA, Cert, Key               string // files; "" for the system's authorities, and for no certificate of one's own
	ServerName                  string // "" for the host
	scheme, parameters, userTag string // what two URLs of one Cluster must have in common
}

// Bounds of what a URL may have.
const (
	maxURL = 4096 // bytes of all together
	maxDB  = 65535
)

var schemes = map[string]struct {
	kind        Kind
	tls         bool
	defaultPort string
}{
	"redis":           {Single, false, "6379"},
	"rediss":          {Single, true, "6379"},
	"redis-sentinel":  {Sentinel, false, "26379"},
	"rediss-sentinel": {Sentinel, true, "26379"},
	"unix":            {Unix, false, ""},
}

// Parse reads URLs. An item without a scheme is a further host of the item before it: lists of
// settings are cut at commas, which stand between hosts too.
func Parse(list []string) (Servers, error) {
	var urls []string
	for _, text := range list {
		if len(urls) > 0 && !strings.Contains(text, "://") {
			urls[len(urls)-1] += "," + text
			continue
		}
		urls = append(urls, text)
	}
	if len(urls) == 0 {
		return Servers{}, errors.New("there is no URL")
	}
	all, err := parse(urls[0])
	if err != nil {
		return Servers{}, err
	}
	for _, text := range urls[1:] {
		s, err := parse(text)
		switch {
		case err != nil:
			return Servers{}, err
		case all.Kind == Unix || s.Kind == Unix:
			return Servers{}, fmt.Errorf("%s and %s: a unix socket is the only address", all, s)
		case all.Kind == Sentinel || s.Kind == Sentinel:
			return Servers{}, fmt.Errorf("%s and %s: Sentinels are all named in one URL, with commas between them", all, s)
		case s.scheme != all.scheme || s.parameters != all.parameters || s.userTag != all.userTag:
			return Servers{}, fmt.Errorf("%s and %s are nodes of one Redis Cluster, and must have the same scheme, user, password and parameters", all, s)
		}
		all.Addresses = append(all.Addresses, s.Addresses...)
		all.Kind = Cluster
		all.DB = max(all.DB, s.DB)
	}
	if all.Kind == Cluster && all.DB != 0 {
		return Servers{}, fmt.Errorf("%s: several hosts are a Redis Cluster, which has no database but 0", all)
	}
	for i, address := range all.Addresses {
		if slices.Contains(all.Addresses[:i], address) {
			return Servers{}, fmt.Errorf("%s: %s is there twice", all, address)
		}
	}
	return all, nil
}

// parse reads one URL.
func parse(text string) (Servers, error) {
	if len(text) > maxURL {
		return Servers{}, fmt.Errorf("a URL of %d bytes: want at most %d", len(text), maxURL)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	known, is := schemes[scheme]
	if !ok || !is {
		return Servers{}, errors.New("a URL begins with redis://, rediss://, redis-sentinel://, rediss-sentinel:// or unix://")
	}
	s := Servers{Kind: known.kind, TLS: known.tls, scheme: scheme}
	rest, query, _ := strings.Cut(rest, "?")
	before, path, _ := strings.Cut(rest, "/")
	hosts := before
	if at := strings.LastIndexByte(before, '@'); at >= 0 {
		hosts, s.userTag = before[at+1:], before[:at]
		if err := s.setUser(before[:at]); err != nil {
			return Servers{}, err
		}
	} else if strings.Contains(path, "@") {
		return Servers{}, errors.New("there is an @ behind a slash: write a slash in a password as %2F")
	}
	if strings.ContainsAny(text, " \t\r\n#") {
		return Servers{}, errors.New("a URL has no blank and no #: write them as %20 and %23")
	}
	if s.Kind == Unix {
		if hosts != "" || path == "" {
			return Servers{}, errors.New("want unix:// and the whole path of a socket, as in unix:///run/redis/redis.sock")
		}
		s.Addresses = []string{"/" + path}
		return s, s.setParameters(query)
	}
	for _, host := range strings.Split(hosts, ",") {
		address, err := parseHost(host, known.defaultPort)
		if err != nil {
			return Servers{}, err
		}
		s.Addresses = append(s.Addresses, address)
	}
	if len(s.Addresses) > 1 && s.Kind == Single {
		s.Kind = Cluster
	}
	if err := s.setPath(path); err != nil {
		return Servers{}, err
	}
	return s, s.setParameters(query)
}

func (s *Servers) setUser(info string) error {
	user, password, _ := strings.Cut(info, ":")
	var err, another error
	s.Username, err = url.PathUnescape(user)
	s.Password, another = url.PathUnescape(password)
	if err != nil || another != nil { // their texts have what was not understood
		return errors.New("the user or the password has a % that begins no escape: write it as %25")
	}
	if s.Username != "" && s.Password == "" {
		return errors.New("there is a user and no password: want USER:PASSWORD@, or :PASSWORD@ for the default user")
	}
	return nil
}

// parseHost reads HOST or HOST:PORT; a numeric host of IPv6 stands in brackets.
func parseHost(text, port string) (string, error) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host, given, err = net.SplitHostPort(text + ":" + port)
	}
	if n, notNumber := strconv.ParseUint(given, 10, 16); err != nil || notNumber != nil || n == 0 || host == "" || strings.ContainsAny(host, "@/%") {
		return "", fmt.Errorf("%.100q: want HOST or HOST:PORT", text)
	}
	return net.JoinHostPort(host, given), nil
}

func (s *Servers) setPath(path string) error {
	db := path
	if s.Kind == Sentinel {
		s.Master, db, _ = strings.Cut(path, "/")
		if s.Master == "" {
			return fmt.Errorf("%s: want the name of the master behind the hosts, as in %s://HOST/mymaster", s, s.scheme)
		}
	}
	return s.setDB(db)
}

// setDB reads the number of a database; "" leaves it.
func (s *Servers) setDB(db string) error {
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil || n > maxDB {
		return fmt.Errorf("database %.100q: want a number", db)
	}
	s.DB = int(n)
	return nil
}

func (s *Servers) setParameters(query string) error {
	s.parameters = query
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the parameters behind the ? are malformed")
	}
	known := map[string]*string{}
	if s.TLS {
		known = map[string]*string{"ca": &s.CA, "cert": &s.Cert, "key": &s.Key, "servername": &s.ServerName}
	}
	db := ""
	if s.Kind == Unix {
		known["db"] = &db
	}
	if s.Kind == Sentinel {
		known["sentinel_user"], known["sentinel_password"] = &s.SentinelUsername, &s.SentinelPassword
	}
	for name, list := range values {
		field := known[name]
		if field == nil || len(list) > 1 {
			return fmt.Errorf("parameter %.50q of %s: want each of these once at the most: %s", name, s, parameterNames(known))
		}
		*field = list[0]
	}
	if (s.Cert == "") != (s.Key == "") {
		return fmt.Errorf("%s: want cert and key together", s)
	}
	return s.setDB(db)
}

func parameterNames(known map[string]*string) string {
	if len(known) == 0 {
		return "none (ca, cert, key and servername are for rediss://)"
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// String is for people: it has no password.
func (s Servers) String() string {
	text := s.scheme + "://" + strings.Join(s.Addresses, ",")
	if s.Kind == Unix && s.DB != 0 {
		return text + "?db=" + strconv.Itoa(s.DB)
	}
	if s.Master != "" {
		text += "/" + s.Master
	}
	if s.DB != 0 {
		text += "/" + strconv.Itoa(s.DB)
	}
	return text
}

// TLSConfig reads the files, and is nil where there is no TLS.
func (s Servers) TLSConfig() (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	config := &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("the authority's certificate: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: there is no certificate in it", s.CA)
		}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate for Redis: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
