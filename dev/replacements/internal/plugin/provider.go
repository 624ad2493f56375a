package plugin

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Provider is what all resource plugins answer in the same way. A plugin embeds it and adds the
// resource calls.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	Host    *Host
	Version string // the official plugin's version, without "v"
	Schema  []byte // package schema (JSON) of what is implemented here

	mu       sync.Mutex
	ctx      context.Context
	cancel   context.CancelFunc
	closeCtx context.Context
}

// RunProvider is the main function of a resource plugin.
func RunProvider(version string, schema []byte, build func(*Provider) pulumirpc.ResourceProviderServer) {
	args := ParseArgs(os.Args[1:])
	if args.Version {
		fmt.Println(version)
		return
	}
	host := &Host{}
	err := Serve(args.Address, func(ctx context.Context, server *grpc.Server) error {
		if args.Address != "" {
			if err := host.Attach(args.Address); err != nil {
				return err
			}
		}
		p := &Provider{Host: host, Version: version, Schema: schema, closeCtx: ctx}
		p.ctx, p.cancel = context.WithCancel(ctx)
		pulumirpc.RegisterResourceProviderServer(server, build(p))
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Attach takes the engine's address when the plugin was not started by that engine.
func (p *Provider) Attach(_ context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, p.Host.Attach(req.GetAddress())
}

func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: p.Version}, nil
}

func (p *Provider) GetSchema(
	_ context.Context, req *pulumirpc.GetSchemaRequest,
) (*pulumirpc.GetSchemaResponse, error) {
	if v := req.GetVersion(); v != 0 {
		return nil, fmt.Errorf("unsupported schema version %d", v)
	}
	return &pulumirpc.GetSchemaResponse{Schema: string(p.Schema)}, nil
}

// CheckConfig accepts any provider configuration.
func (p *Provider) CheckConfig(
	_ context.Context, req *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// DiffConfig never asks for anything to be replaced.
func (p *Provider) DiffConfig(
	context.Context, *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{}, nil
}

func (p *Provider) Invoke(
	_ context.Context, req *pulumirpc.InvokeRequest,
) (*pulumirpc.InvokeResponse, error) {
	return nil, fmt.Errorf("function %q is not part of this replacement plugin", req.GetTok())
}

// Cancel aborts the operations under way.
func (p *Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	p.ctx, p.cancel = context.WithCancel(p.closeCtx)
	return &emptypb.Empty{}, nil
}

// Operation gives the context for a resource operation: it ends with the call, with Cancel, and
// with the plugin.
func (p *Provider) Operation(call context.Context) (context.Context, func()) {
	p.mu.Lock()
	parent := p.ctx
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(parent, cancel)
	return ctx, func() { stop(); cancel() }
}

// TypeOf gives the type token of a URN ("urn:pulumi:stack::project::parent$type::name").
func TypeOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 {
		return ""
	}
	qualified := parts[2]
	return qualified[strings.LastIndex(qualified, "$")+1:]
}

// NameOf gives the resource name of a URN.
func NameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}

// UnknownType is the error for a resource that the official plugin has and this one has not.
func UnknownType(urn string) error {
	return fmt.Errorf("resource type %q is not part of this replacement plugin; "+
		"it needs the official one", TypeOf(urn))
}
