package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"
)

var (
	algorithms = []string{"RSA", "ECDSA", "ED25519"}
	curveNames = []string{"P224", "P256", "P384", "P521"}
	curves     = map[string]elliptic.Curve{
		"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
	}
)

// createPrivateKey makes a key. Its id is the SHA-1 of the public key.
func createPrivateKey(in resource.PropertyMap, _ func(string)) (resource.PropertyMap, error) {
	key, err := generateKey(in)
	if err != nil {
		return nil, fmt.Errorf("Unable to generate Key from configuration: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("Unable to encode private key to PKCS#8 PEM: %w", err)
	}
	own := &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		own = &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("Unable to encode key to PEM: %w", err)
		}
		own = &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("Failed to marshal public key: %w", err)
	}
	out := map[string]string{
		"id":                 sha1Hex(strings.TrimSpace(string(public))),
		"privateKeyPem":      string(pem.EncodeToMemory(own)),
		"privateKeyPemPkcs8": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"publicKeyPem":       string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		// Empty for P224, which OpenSSH does not know.
		"privateKeyOpenssh": "", "publicKeyOpenssh": "",
		"publicKeyFingerprintMd5": "", "publicKeyFingerprintSha256": "",
	}
	if sshKey, err := ssh.NewPublicKey(key.Public()); err == nil {
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return nil, fmt.Errorf("Unable to marshal private key into OpenSSH format: %w", err)
		}
		out["privateKeyOpenssh"] = string(pem.EncodeToMemory(block))
		out["publicKeyOpenssh"] = string(ssh.MarshalAuthorizedKey(sshKey))
		out["publicKeyFingerprintMd5"] = ssh.FingerprintLegacyMD5(sshKey)
		out["publicKeyFingerprintSha256"] = ssh.FingerprintSHA256(sshKey)
	}
	return textProperties(out), nil
}

func generateKey(in resource.PropertyMap) (crypto.Signer, error) {
	switch in["algorithm"].StringValue() {
	case "RSA":
		return rsa.GenerateKey(rand.Reader, int(in["rsaBits"].NumberValue()))
	case "ECDSA":
		return ecdsa.GenerateKey(curves[in["ecdsaCurve"].StringValue()], rand.Reader)
	default:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
}

// parseKey reads a private key in PKCS#1, SEC 1 or PKCS#8 PEM and names its algorithm.
func parseKey(text string) (crypto.Signer, string, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", fmt.Errorf("failed to decode PEM block: decoded bytes %d, undecoded %d",
			len(text)-len(rest), len(rest))
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "PUBLIC KEY", "CERTIFICATE", "CERTIFICATE REQUEST":
		return nil, "", fmt.Errorf("unable to determine parser for PEM preamble: %s", block.Type)
	default:
		return nil, "", fmt.Errorf("unsupported PEM preamble/type: %s", block.Type)
	}
	if err != nil {
		return nil, "", fmt.Errorf(
			"failed to parse private key given PEM preamble '%s': %w", block.Type, err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, "RSA", nil
	case *ecdsa.PrivateKey:
		return key, "ECDSA", nil
	case ed25519.PrivateKey:
		return key, "ED25519", nil
	}
	return nil, "", fmt.Errorf("unsupported private key type: %T", key)
}

func sha1Hex(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func textProperties(m map[string]string) resource.PropertyMap {
	out := resource.PropertyMap{}
	for name, v := range m {
		out[resource.PropertyKey(name)] = resource.NewStringProperty(v)
	}
	return out
}
