package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The digest is part of the state, so its form must not change.
func TestContextDigest(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("Dockerfile", "FROM scratch\n")
	put("a", "one")
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	all := sha256.New()
	for _, entry := range [][3]string{
		{"Dockerfile", "----------", "FROM scratch\n"},
		{"Dockerfile", "-rw-r--r--", "FROM scratch\n"},
		{"a", "-rw-r--r--", "one"},
		{"link", "Lrwxrwxrwx", real},
	} {
		content := sha256.Sum256([]byte(entry[2]))
		all.Write([]byte(entry[0] + entry[1]))
		all.Write(content[:])
		all.Write([]byte{0})
	}
	got, err := contextDigest(dir, filepath.Join(dir, "Dockerfile"))
	if want := hex.EncodeToString(all.Sum(nil)); err != nil || got != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

func TestTraceText(t *testing.T) {
	text := func(field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s)
	}
	part := func(field protowire.Number, parts ...[]byte) []byte {
		var body []byte
		for _, p := range parts {
			body = append(body, p...)
		}
		return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), body)
	}
	cached := protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.VarintType), 1)
	encoded := append(part(1, text(1, "sha256:x"), text(3, "[1/2] FROM a"), cached, text(7, "no a")),
		part(3, text(1, "sha256:x"), text(4, "said"))...)
	if got, want := traceText(encoded), "[1/2] FROM a\nerror: no a\nsaid"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	traceText([]byte{0xff, 0xff}) // what cannot be read is passed over
}

func TestRegistryHost(t *testing.T) {
	for _, test := range [][3]string{
		{"", "127.0.0.1:5000/a/b:1", "127.0.0.1:5000"},
		{"https://registry.fly.io/v2/", "x", "registry.fly.io"},
		{"", "docker.io/library/a", dockerHub},
		{"index.docker.io", "a", dockerHub},
	} {
		if got, err := registryHost(test[0], test[1]); err != nil || got != test[2] {
			t.Errorf("%q %q: %q (%v), want %q", test[0], test[1], got, err, test[2])
		}
	}
	if _, err := registryHost("", "bare:1"); err == nil {
		t.Error("a name without a registry was taken")
	}
}

func TestContext(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_CONTEXT", "")
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte("rootless")))
	put("contexts/meta/"+id+"/meta.json", `{"Endpoints":{"docker":{"Host":"unix:///run/user/1/docker.sock"}}}`)
	for _, c := range []struct{ current, variable, host, want string }{
		{"", "", "", ""},
		{"rootless", "", "", "unix:///run/user/1/docker.sock"},
		{"", "rootless", "", "unix:///run/user/1/docker.sock"},
		{"rootless", "default", "", ""},
		{"none", "rootless", "tcp://x:1", "tcp://x:1"},
	} {
		put("config.json", `{"currentContext":"`+c.current+`"}`)
		t.Setenv("DOCKER_CONTEXT", c.variable)
		got, err := config{host: c.host}.ofContext()
		if err != nil || got.host != c.want {
			t.Errorf("%+v: %q (%v)", c, got.host, err)
		}
	}
	t.Setenv("DOCKER_CONTEXT", "none")
	if _, err := (config{}).ofContext(); err == nil || !strings.Contains(err.Error(), `context "none": context not found: open `) {
		t.Errorf("an unknown context: %v", err)
	}
}
