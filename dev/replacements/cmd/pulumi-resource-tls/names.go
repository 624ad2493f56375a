package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var emailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// names is what a certificate is issued to.
type names struct {
	subject pkix.Name
	dns     []string
	ips     []net.IP
	uris    []*url.URL
}

func readNames(in resource.PropertyMap) (names, error) {
	out := names{dns: stringList(in["dnsNames"])}
	if v := in["subject"]; v.IsObject() {
		out.subject = distinguishedName(v.ObjectValue())
	}
	for _, text := range stringList(in["ipAddresses"]) {
		ip := net.ParseIP(text)
		if ip == nil {
			return out, fmt.Errorf("Invalid IP address: Failed to parse %q", text)
		}
		out.ips = append(out.ips, ip)
	}
	for _, text := range stringList(in["uris"]) {
		uri, err := url.Parse(text)
		if err != nil {
			return out, fmt.Errorf("Invalid URI: Failed to parse %q: %w", text, err)
		}
		out.uris = append(out.uris, uri)
	}
	return out, nil
}

func distinguishedName(m resource.PropertyMap) pkix.Name {
	one := func(key resource.PropertyKey) string {
		if v := m[key]; v.IsString() {
			return v.StringValue()
		}
		return ""
	}
	list := func(key resource.PropertyKey) []string {
		if v := m[key]; v.IsString() {
			return []string{v.StringValue()}
		}
		return nil
	}
	name := pkix.Name{
		CommonName:         one("commonName"),
		SerialNumber:       one("serialNumber"),
		Organization:       list("organization"),
		OrganizationalUnit: list("organizationalUnit"),
		StreetAddress:      stringList(m["streetAddresses"]),
		Locality:           list("locality"),
		Province:           list("province"),
		Country:            list("country"),
		PostalCode:         list("postalCode"),
	}
	if v := m["emailAddress"]; v.IsString() {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{
			Type:  emailAddress,
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(v.StringValue())},
		}}
	}
	return name
}

func stringList(v resource.PropertyValue) []string {
	if !v.IsArray() {
		return nil
	}
	var out []string
	for _, item := range v.ArrayValue() {
		out = append(out, item.StringValue())
	}
	return out
}

// createCertRequest makes a certificate signing request. Its id is the SHA-1 of the request.
func createCertRequest(in resource.PropertyMap, _ func(string)) (resource.PropertyMap, error) {
	key, algorithm, err := parseKey(in["privateKeyPem"].StringValue())
	if err != nil {
		return nil, fmt.Errorf("Failed to parse private key PEM: %w", err)
	}
	about, err := readNames(in)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: about.subject, DNSNames: about.dns, IPAddresses: about.ips, URIs: about.uris,
	}, key)
	if err != nil {
		return nil, fmt.Errorf("Error creating certificate request: %w", err)
	}
	return textProperties(map[string]string{
		"id":             sha1Hex(strings.TrimSpace(string(der))),
		"keyAlgorithm":   algorithm,
		"certRequestPem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
	}), nil
}
