package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var keyUsages = map[string]x509.KeyUsage{
	"digital_signature":  x509.KeyUsageDigitalSignature,
	"content_commitment": x509.KeyUsageContentCommitment,
	"key_encipherment":   x509.KeyUsageKeyEncipherment,
	"data_encipherment":  x509.KeyUsageDataEncipherment,
	"key_agreement":      x509.KeyUsageKeyAgreement,
	"cert_signing":       x509.KeyUsageCertSign,
	"crl_signing":        x509.KeyUsageCRLSign,
	"encipher_only":      x509.KeyUsageEncipherOnly,
	"decipher_only":      x509.KeyUsageDecipherOnly,
}

var extendedKeyUsages = map[string]x509.ExtKeyUsage{
	"any_extended":                      x509.ExtKeyUsageAny,
	"server_auth":                       x509.ExtKeyUsageServerAuth,
	"client_auth":                       x509.ExtKeyUsageClientAuth,
	"code_signing":                      x509.ExtKeyUsageCodeSigning,
	"email_protection":                  x509.ExtKeyUsageEmailProtection,
	"ipsec_end_system":                  x509.ExtKeyUsageIPSECEndSystem,
	"ipsec_tunnel":                      x509.ExtKeyUsageIPSECTunnel,
	"ipsec_user":                        x509.ExtKeyUsageIPSECUser,
	"timestamping":                      x509.ExtKeyUsageTimeStamping,
	"ocsp_signing":                      x509.ExtKeyUsageOCSPSigning,
	"microsoft_server_gated_crypto":     x509.ExtKeyUsageMicrosoftServerGatedCrypto,
	"netscape_server_gated_crypto":      x509.ExtKeyUsageNetscapeServerGatedCrypto,
	"microsoft_commercial_code_signing": x509.ExtKeyUsageMicrosoftCommercialCodeSigning,
	"microsoft_kernel_code_signing":     x509.ExtKeyUsageMicrosoftKernelCodeSigning,
}

func allUsages() []string {
	names := slices.Collect(maps.Keys(keyUsages))
	return slices.Sorted(slices.Values(append(names, slices.Collect(maps.Keys(extendedKeyUsages))...)))
}

// createSelfSigned makes a certificate that its own key signs.
func createSelfSigned(in resource.PropertyMap, _ func(string)) (resource.PropertyMap, error) {
	key, algorithm, err := parseKey(in["privateKeyPem"].StringValue())
	if err != nil {
		return nil, fmt.Errorf("Failed to parse private key PEM: %w", err)
	}
	about, err := readNames(in)
	if err != nil {
		return nil, err
	}
	template := templateFor(about)
	out, err := issue(in, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	out["keyAlgorithm"] = resource.NewStringProperty(algorithm)
	return out, nil
}

// createLocallySigned makes a certificate for a request, signed by a CA.
func createLocallySigned(in resource.PropertyMap, warn func(string)) (resource.PropertyMap, error) {
	der, err := decodePEM(in["certRequestPem"].StringValue(), "CERTIFICATE REQUEST")
	if err != nil {
		return nil, fmt.Errorf("Failed to parse certificate request PEM: %w", err)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf(
			"Failed to parse certificate request PEM: failed to parse certificate request: %w", err)
	}
	caKey, algorithm, err := parseKey(in["caPrivateKeyPem"].StringValue())
	if err != nil {
		return nil, fmt.Errorf("Failed to parse CA private key PEM: %w", err)
	}
	if der, err = decodePEM(in["caCertPem"].StringValue(), "CERTIFICATE"); err != nil {
		return nil, fmt.Errorf("Failed to parse CA certificate PEM: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf(
			"Failed to parse CA certificate PEM: failed to parse certificate: %w", err)
	}
	if !ca.IsCA {
		warn("Certificate provided as Authority does not appear to be a valid Certificate Authority. " +
			"The resulting certificate might fail certificate validation.: " +
			"Potentially Invalid Certificate Authority")
	}
	template := templateFor(names{request.Subject, request.DNSNames, request.IPAddresses, request.URIs})
	out, err := issue(in, template, ca, request.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	out["caKeyAlgorithm"] = resource.NewStringProperty(algorithm)
	return out, nil
}

func templateFor(about names) *x509.Certificate {
	return &x509.Certificate{
		Subject: about.subject, DNSNames: about.dns, IPAddresses: about.ips, URIs: about.uris,
		BasicConstraintsValid: true,
	}
}

// issue fills in what every certificate has, and signs it. The id is the serial number.
func issue(
	in resource.PropertyMap, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer,
) (resource.PropertyMap, error) {
	var err error
	template.NotBefore = time.Now()
	template.NotAfter = template.NotBefore.Add(
		time.Duration(in["validityPeriodHours"].NumberValue()) * time.Hour)
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("Failed to generate serial number: %w", err)
	}
	for _, use := range stringList(in["allowedUses"]) {
		template.KeyUsage |= keyUsages[use]
		if usage, ok := extendedKeyUsages[use]; ok {
			template.ExtKeyUsage = append(template.ExtKeyUsage, usage)
		}
	}
	isCA := in["isCaCertificate"].BoolValue()
	if isCA && reflect.DeepEqual(template.Subject, pkix.Name{}) {
		return nil, errors.New("Invalid Certificate Subject: " +
			"Must contain at least one Distinguished Name when creating Certificate Authority (CA)")
	}
	template.IsCA = isCA
	if isCA || in["setSubjectKeyId"].BoolValue() {
		if template.SubjectKeyId, err = subjectKeyID(public); err != nil {
			return nil, fmt.Errorf("Failed to generate subject key identifier: %w", err)
		}
	}
	if v := in["maxPathLength"]; v.IsNumber() && v.NumberValue() >= 0 {
		template.MaxPathLen = int(v.NumberValue())
	}
	if v := in["setAuthorityKeyId"]; v.IsBool() && v.BoolValue() {
		if len(parent.SubjectKeyId) == 0 {
			return nil, errors.New(
				"Invalid Certificate Authority: Could not determine Authority Key Identifier")
		}
		template.AuthorityKeyId = parent.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("Failed to create certificate: %w", err)
	}
	return textProperties(map[string]string{
		"id":                template.SerialNumber.String(),
		"certPem":           string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"validityStartTime": template.NotBefore.Format(time.RFC3339Nano),
		"validityEndTime":   template.NotAfter.Format(time.RFC3339Nano),
	}), nil
}

// subjectKeyID is the SHA-1 of the public key's bits (RFC 5280, 4.2.1.2).
func subjectKeyID(public crypto.PublicKey) ([]byte, error) {
	var bits []byte
	var err error
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits, err = asn1.Marshal(*key)
	case *ecdsa.PublicKey:
		bits, err = key.Bytes()
	case ed25519.PublicKey:
		bits, err = asn1.Marshal(key)
	default:
		err = fmt.Errorf("unsupported public key type %T", key)
	}
	sum := sha1.Sum(bits)
	return sum[:], err
}

func decodePEM(text, want string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("failed to decode PEM of expected type %q from bytes", want)
	}
	if block.Type != want {
		return nil, fmt.Errorf("invalid PEM type - expected %q, got %q", want, block.Type)
	}
	return block.Bytes, nil
}
