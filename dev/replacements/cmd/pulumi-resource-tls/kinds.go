package main

import (
	"fmt"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// kind is a resource type.
type kind struct {
	inputs []input
	// Outputs that are no inputs; those of them that hold private keys.
	computed, computedSecrets []string
	// A certificate: it ends, and is replaced before.
	renews bool
	// create makes the outputs, "id" among them, from known inputs with their defaults filled in.
	create func(in resource.PropertyMap, warn func(string)) (resource.PropertyMap, error)
}

type valueType int

const (
	text valueType = iota
	number
	boolean
	texts
	subject
)

type replaceRule int

const (
	always    replaceRule = iota
	never                 // changes in place
	ifPEM                 // replaces when the value in the state is a PEM text
	ifUnknown             // computed when not given: kept from the state, replaces when given anew
)

// input is an input of a resource, with the rules that the official plugin puts on it. Messages
// name it by its name in the Terraform provider, as that plugin's do.
type input struct {
	name, tfName string
	valueType    valueType
	required     bool
	secret       bool
	replaces     replaceRule
	fallback     resource.PropertyValue
	oneOf        []string // of a text, or of each text in a list
	atLeast      *float64
	minLength    bool // each text in a list has at least one character
	description  string
}

func least(n float64) *float64 { return &n }

var (
	yesNo    = resource.NewBoolProperty(false)
	noHours  = resource.NewNumberProperty(0)
	rsaBits  = resource.NewNumberProperty(2048)
	p224     = resource.NewStringProperty("P224")
	certOuts = []string{"certPem", "readyForRenewal", "validityStartTime", "validityEndTime"}
)

const (
	keyText     = "Private key in [PEM (RFC 1421)](https://datatracker.ietf.org/doc/html/rfc1421) format, that the certificate will belong to."
	hoursText   = "Number of hours, after initial issuing, that the certificate will remain valid for."
	usesText    = "List of key usages allowed for the issued certificate."
	caCertText  = "Certificate data of the Certificate Authority (CA) in [PEM (RFC 1421)](https://datatracker.ietf.org/doc/html/rfc1421) format."
	caKeyText   = "Private key of the Certificate Authority (CA) used to sign the certificate, in [PEM (RFC 1421)](https://datatracker.ietf.org/doc/html/rfc1421) format."
	requestText = "Certificate request data in [PEM (RFC 1421)](https://datatracker.ietf.org/doc/html/rfc1421) format."
)

// namesInputs are what a certificate or a request for one is about.
var namesInputs = []input{
	{name: "privateKeyPem", tfName: "private_key_pem", required: true, secret: true, replaces: ifPEM, description: keyText},
	{name: "dnsNames", tfName: "dns_names", valueType: texts},
	{name: "ipAddresses", tfName: "ip_addresses", valueType: texts, minLength: true},
	{name: "uris", tfName: "uris", valueType: texts, minLength: true},
	{name: "subject", tfName: "subject", valueType: subject},
}

// certInputs are what every certificate has.
var certInputs = []input{
	{name: "allowedUses", tfName: "allowed_uses", valueType: texts, required: true, oneOf: allUsages(), description: usesText},
	{name: "validityPeriodHours", tfName: "validity_period_hours", valueType: number, required: true, atLeast: least(0), description: hoursText},
	{name: "earlyRenewalHours", tfName: "early_renewal_hours", valueType: number, replaces: never, fallback: noHours, atLeast: least(0)},
	{name: "isCaCertificate", tfName: "is_ca_certificate", valueType: boolean, fallback: yesNo},
	{name: "maxPathLength", tfName: "max_path_length", valueType: number, replaces: ifUnknown, atLeast: least(-1)},
	{name: "setSubjectKeyId", tfName: "set_subject_key_id", valueType: boolean, fallback: yesNo},
}

var kinds = map[string]*kind{
	"tls:index/privateKey:PrivateKey": {
		inputs: []input{
			{name: "algorithm", tfName: "algorithm", required: true, oneOf: algorithms,
				description: "Name of the algorithm to use when generating the private key."},
			{name: "ecdsaCurve", tfName: "ecdsa_curve", fallback: p224, oneOf: curveNames},
			{name: "rsaBits", tfName: "rsa_bits", valueType: number, fallback: rsaBits},
		},
		computed: []string{
			"publicKeyFingerprintMd5", "publicKeyFingerprintSha256", "publicKeyOpenssh", "publicKeyPem",
		},
		computedSecrets: []string{"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"},
		create:          createPrivateKey,
	},
	"tls:index/certRequest:CertRequest": {
		inputs:   namesInputs,
		computed: []string{"certRequestPem", "keyAlgorithm"},
		create:   createCertRequest,
	},
	"tls:index/selfSignedCert:SelfSignedCert": {
		inputs: concat(namesInputs, certInputs, []input{
			{name: "setAuthorityKeyId", tfName: "set_authority_key_id", valueType: boolean, fallback: yesNo},
		}),
		computed: concat(certOuts, []string{"keyAlgorithm"}),
		renews:   true,
		create:   createSelfSigned,
	},
	"tls:index/locallySignedCert:LocallySignedCert": {
		inputs: concat([]input{
			{name: "caCertPem", tfName: "ca_cert_pem", required: true, replaces: ifPEM, description: caCertText},
			{name: "caPrivateKeyPem", tfName: "ca_private_key_pem", required: true, secret: true, replaces: ifPEM, description: caKeyText},
			{name: "certRequestPem", tfName: "cert_request_pem", required: true, replaces: ifPEM, description: requestText},
		}, certInputs),
		computed: concat(certOuts, []string{"caKeyAlgorithm"}),
		renews:   true,
		create:   createLocallySigned,
	},
}

func concat[T any](lists ...[]T) []T {
	var out []T
	for _, list := range lists {
		out = append(out, list...)
	}
	return out
}

func kindOf(urn string) (*kind, error) {
	if k, ok := kinds[plugin.TypeOf(urn)]; ok {
		return k, nil
	}
	return nil, plugin.UnknownType(urn)
}

func (k *kind) secret(name string) bool {
	for _, in := range k.inputs {
		if in.name == name {
			return in.secret
		}
	}
	for _, secret := range k.computedSecrets {
		if secret == name {
			return true
		}
	}
	return false
}

func (t valueType) String() string {
	return [...]string{"a string", "a whole number", "a boolean", "a list of strings", "an object"}[t]
}

var _ fmt.Stringer = text
