package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
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
