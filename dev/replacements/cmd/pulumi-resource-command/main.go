// Command pulumi-resource-command stands in for the Pulumi plugin "command", version 1.2.1, where
// that cannot be had. It has the resource command:local:Command.
package main

import (
	_ "embed"

	"appkata-mqtt/toolchain/internal/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

//go:embed schema.json
var schema []byte

func main() {
	plugin.RunProvider("1.2.1", schema, func(p *plugin.Provider) pulumirpc.ResourceProviderServer {
		return &provider{Provider: p}
	})
}
