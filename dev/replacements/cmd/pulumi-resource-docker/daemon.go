package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const defaultHost = "unix:///var/run/docker.sock"

// config is the provider's: the stack's "docker:host" and so on, or the environment's.
type config struct {
	host, ca, cert, key, certPath string
}

func readConfig(variables map[string]string) config {
	get := func(name, env string) string {
		if v := variables["docker:config:"+name]; v != "" {
			return v
		}
		return os.Getenv(env)
	}
	return config{
		host: get("host", "DOCKER_HOST"), ca: get("caMaterial", "DOCKER_CA_MATERIAL"),
		cert: get("certMaterial", "DOCKER_CERT_MATERIAL"), key: get("keyMaterial", "DOCKER_KEY_MATERIAL"),
		certPath: get("certPath", "DOCKER_CERT_PATH"),
	}
}

// ofContext gives the daemon of Docker's own context (DOCKER_CONTEXT, or the current one of config.json)
// where no host is configured.
func (cfg config) ofContext() (config, error) {
	if cfg.host != "" {
		return cfg, nil
	}
	user, err := loadDockerConfig()
	if err != nil {
		return cfg, err
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		name = user.CurrentContext
	}
	if name == "" || name == "default" {
		return cfg, nil
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	contexts := filepath.Join(dockerFolder(), "contexts")
	text, err := os.ReadFile(filepath.Join(contexts, "meta", id, "meta.json"))
	if err != nil {
		return cfg, fmt.Errorf("context %q: context not found: %w", name, err)
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return cfg, fmt.Errorf("context %q: %w", name, err)
	}
	cfg.host = meta.Endpoints["docker"].Host
	if certs := filepath.Join(contexts, "tls", id, "docker"); cfg.certPath == "" {
		if _, err := os.Stat(certs); err == nil {
			cfg.certPath = certs
		}
	}
	return cfg, nil
}

// daemon is a Docker daemon that has answered.
type daemon struct {
	scheme string
	dial   func(context.Context) (net.Conn, error)
	client *http.Client
	prefix string // "/v1.41"
}

func (d *daemon) close() { d.client.CloseIdleConnections() }

// connect finds the daemon: the configured one, the context's, the system's, or the user's own.
func connect(ctx context.Context, cfg config) (*daemon, error) {
	cfg, err := cfg.ofContext()
	if err != nil {
		return nil, err
	}
	hosts := []string{cfg.host}
	if cfg.host == "" {
		hosts = []string{defaultHost}
		if home, err := os.UserHomeDir(); err == nil {
			hosts = append(hosts, "unix://"+home+"/.docker/run/docker.sock",
				"unix://"+home+"/.docker/desktop/docker.sock")
		}
	}
	for _, host := range hosts {
		d, err := newDaemon(host, cfg)
		if err != nil {
			return nil, err
		}
		if d.ping(ctx) == nil {
			return d, nil
		}
		d.close()
	}
	return nil, errors.New("failed to connect to any docker daemon")
}

func newDaemon(host string, cfg config) (*daemon, error) {
	network, address, ok := strings.Cut(host, "://")
	if !ok {
		return nil, fmt.Errorf("unable to parse docker host `%s`", host)
	}
	d := &daemon{scheme: "http"}
	switch network {
	case "unix":
	case "tcp", "http", "https":
		network = "tcp"
		secure, err := cfg.tls()
		if err != nil {
			return nil, err
		}
		if secure != nil {
			d.dial = func(ctx context.Context) (net.Conn, error) {
				return (&tls.Dialer{Config: secure}).DialContext(ctx, network, address)
			}
		}
	default:
		return nil, fmt.Errorf("docker host %s: this replacement plugin speaks unix:// and tcp:// only", host)
	}
	if d.dial == nil {
		d.dial = func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	d.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dial(ctx) },
	}}
	return d, nil
}

func (cfg config) tls() (*tls.Config, error) {
	ca, cert, key := []byte(cfg.ca), []byte(cfg.cert), []byte(cfg.key)
	switch {
	case len(ca) == 0 && len(cert) == 0 && len(key) == 0 && cfg.certPath == "":
		return nil, nil
	case cfg.certPath == "" && (len(ca) == 0 || len(cert) == 0 || len(key) == 0):
		return nil, errors.New("certMaterial, keyMaterial, and caMaterial must all be specified")
	case cfg.certPath != "" && len(ca)+len(cert)+len(key) > 0:
		return nil, errors.New("when using raw certificates, certPath must not be specified")
	}
	if cfg.certPath != "" {
		for name, into := range map[string]*[]byte{"ca.pem": &ca, "cert.pem": &cert, "key.pem": &key} {
			var err error
			if *into, err = os.ReadFile(filepath.Join(cfg.certPath, name)); err != nil {
				return nil, err
			}
		}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("could not add RootCA pem")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: roots}, nil
}

// ping asks the daemon for the version of its API.
func (d *daemon) ping(ctx context.Context) error {
	res, err := d.request(ctx, http.MethodGet, "/_ping", nil, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d.prefix = "/v" + olderVersion(res.Header.Get("Api-Version"), "1.47")
	return nil
}

func olderVersion(a, b string) string {
	minor := func(v string) int {
		_, text, _ := strings.Cut(v, ".")
		n, _ := strconv.Atoi(text)
		return n
	}
	if a == "" || minor(a) > minor(b) {
		return b
	}
	return a
}

// request sends a request and gives an answer that is not an error; the caller closes its body.
func (d *daemon) request(
	ctx context.Context, method, path string, query url.Values, header http.Header, body io.Reader,
) (*http.Response, error) {
	target := url.URL{Scheme: "http", Host: "docker", Path: d.prefix + path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the Docker daemon: %w", err)
	}
	if res.StatusCode < 400 {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var answer struct{ Message string }
	if json.Unmarshal(text, &answer) != nil || answer.Message == "" {
		answer.Message = string(bytes.TrimSpace(text))
	}
	return nil, fmt.Errorf("Error response from daemon: %s", answer.Message)
}

func (d *daemon) getJSON(ctx context.Context, path string, into any) error {
	res, err := d.request(ctx, http.MethodGet, path, nil, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}
