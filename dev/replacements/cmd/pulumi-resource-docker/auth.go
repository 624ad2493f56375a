package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
)

const dockerHub = "https://index.docker.io/v1/"

// credentials are in the form in which the Engine API takes them, in a header.
type credentials struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`
}

func (c credentials) header() string {
	text, _ := json.Marshal(c)
	return base64.URLEncoding.EncodeToString(text)
}

// dockerConfig is the user's own config.json (~/.docker or $DOCKER_CONFIG).
type dockerConfig struct {
	Auths       map[string]struct{ Auth, IdentityToken string } `json:"auths"`
	CredsStore  string                                          `json:"credsStore"`
	CredHelpers map[string]string                               `json:"credHelpers"`

	CurrentContext string `json:"currentContext"`
}

// dockerFolder is where Docker's command keeps what is the user's own.
func dockerFolder() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".docker")
}

func loadDockerConfig() (dockerConfig, error) {
	var cfg dockerConfig
	path := filepath.Join(dockerFolder(), "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &cfg)
	}
	if err != nil {
		return cfg, fmt.Errorf("reading %s: %w", path, err)
	}
	return cfg, nil
}

// of gives the user's own credentials for a registry; none when there are none.
func (cfg dockerConfig) of(host string) credentials {
	helper := cfg.CredHelpers[host]
	if helper == "" {
		helper = cfg.CredsStore
	}
	if helper != "" {
		if c, err := askHelper(helper, host); err == nil {
			return c
		}
	}
	for server, entry := range cfg.Auths {
		if server != host && hostOf(server) != host {
			continue
		}
		c := credentials{IdentityToken: entry.IdentityToken, ServerAddress: host}
		if plain, err := base64.StdEncoding.DecodeString(entry.Auth); err == nil {
			c.Username, c.Password, _ = strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		}
		return c
	}
	return credentials{ServerAddress: host}
}

// all gives the credentials of every registry that the user has logged into, for base images.
func (cfg dockerConfig) all() map[string]credentials {
	out := map[string]credentials{}
	for server := range cfg.Auths {
		if c := cfg.of(server); c.Username != "" || c.IdentityToken != "" {
			out[server] = c
		}
	}
	for server := range cfg.CredHelpers {
		if c := cfg.of(server); c.Username != "" || c.IdentityToken != "" {
			out[server] = c
		}
	}
	return out
}

func askHelper(name, host string) (credentials, error) {
	cmd := exec.Command("docker-credential-"+name, "get")
	cmd.Stdin = strings.NewReader(host)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Run(); err != nil {
		return credentials{}, err
	}
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		return credentials{}, err
	}
	if answer.Username == "<token>" {
		return credentials{IdentityToken: answer.Secret, ServerAddress: host}, nil
	}
	return credentials{Username: answer.Username, Password: answer.Secret, ServerAddress: host}, nil
}

// credentialsFor takes the program's credentials for the image's registry, or else the user's own.
func credentialsFor(img image, cfg dockerConfig) (c credentials, warning string, err error) {
	host, err := registryHost(img.registry.server, img.name)
	if err != nil {
		return credentials{}, "", err
	}
	r := img.registry
	switch {
	case r.username != "" && r.password != "":
		return credentials{Username: r.username, Password: r.password, ServerAddress: host}, "", nil
	case r.username != "":
		warning = "password was not set, although username was; using host credentials file"
	case r.password != "":
		warning = "username was not set, although password was; using host credentials file"
	}
	return cfg.of(host), warning, nil
}

// registryHost gives the name under which credentials for a registry are kept: its host, or the
// historical address for Docker's own.
func registryHost(server, imageName string) (string, error) {
	host := hostOf(server)
	if host == "" {
		named, err := reference.ParseNamed(imageName)
		if err != nil {
			return "", fmt.Errorf("%q: %w.\nThis resource requires all image names to be fully "+
				"qualified.\nFor example, if you are attempting to push to Dockerhub, prefix your "+
				"image name with `docker.io`:\n\n`docker.io/repository/image:tag`", imageName, err)
		}
		host = reference.Domain(named)
	}
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return dockerHub, nil
	}
	return host, nil
}

func hostOf(server string) string {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	host, _, _ := strings.Cut(server, "/")
	return host
}
