// Command pulumi-resource-docker stands in for the Pulumi plugin "docker", version 5.2.0, where
// that cannot be had. It has the resource docker:index/image:Image, built and pushed through the
// Docker Engine API: no credentials pass through a command line or a file.
package main

import (
	_ "embed"

	"appkata-mqtt/toolchain/internal/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

//go:embed schema.json
var schema []byte

func main() {
	plugin.RunProvider("5.2.0", schema, func(p *plugin.Provider) pulumirpc.ResourceProviderServer {
		return &provider{Provider: p}
	})
}
