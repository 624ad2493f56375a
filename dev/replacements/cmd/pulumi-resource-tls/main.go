// Command pulumi-resource-tls stands in for the Pulumi plugin "tls", version 5.6.1, where that
// cannot be had. It has the resources PrivateKey, SelfSignedCert, CertRequest and
// LocallySignedCert, and answers as the plugin does that bridges the Terraform provider tls 4.2.
package main

import (
	_ "embed"

	"appkata-mqtt/toolchain/internal/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

//go:embed schema.json
var schema []byte

func main() {
	plugin.RunProvider("5.6.1", schema, func(p *plugin.Provider) pulumirpc.ResourceProviderServer {
		return &provider{Provider: p}
	})
}
