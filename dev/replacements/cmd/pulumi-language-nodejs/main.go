// Command pulumi-language-nodejs is a language host for Node programs: it finds the packages that
// a program needs, runs the program with the SDK's own runner (@pulumi/pulumi/cmd/run), and passes
// its output on. It replaces the host that comes with Pulumi's downloads, for the runtime "nodejs".
//
// Two things differ from the official host, neither visible to a program: the program talks to the
// engine's resource monitor directly instead of through a proxy, and there are no pipes for
// synchronous invokes, which SDKs since 3.0 do not use.
package main

import (
	"context"
	"fmt"
	"os"

	"appkata-mqtt/toolchain/internal/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

const version = "3.250.0"

func main() {
	args := plugin.ParseArgs(os.Args[1:])
	if args.Version {
		fmt.Println(version)
		return
	}
	err := plugin.Serve(args.Address, func(ctx context.Context, server *grpc.Server) error {
		pulumirpc.RegisterLanguageRuntimeServer(server, newHost(ctx, args))
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "language host:", err)
		os.Exit(1)
	}
}
