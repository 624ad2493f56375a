package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"appkata-mqtt/toolchain/internal/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engineAddress string
	tracing       string
	// Ends with the host's process or with Cancel; a running program ends with it.
	ctx    context.Context
	cancel context.CancelFunc
}

func newHost(ctx context.Context, args plugin.EngineArgs) *host {
	ctx, cancel := context.WithCancel(ctx)
	return &host{engineAddress: args.Address, tracing: args.Tracing, ctx: ctx, cancel: cancel}
}

// Handshake takes the engine's address from an engine that did not start this host itself.
func (h *host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	if req.GetEngineAddress() != "" && req.GetEngineAddress() != h.engineAddress {
		h.engineAddress = req.GetEngineAddress()
		go plugin.WatchEngine(h.ctx, h.engineAddress, h.cancel)
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// Cancel ends a running program.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// About names the node executable and its version for `pulumi about`.
func (h *host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errNoNode(err)
	}
	opts, err := parseOptions(req.GetInfo().GetOptions().AsMap())
	if err != nil {
		return nil, err
	}
	out := &pulumirpc.AboutResponse{
		Executable: node, Metadata: map[string]string{"packagemanager": opts.packageManager},
	}
	if text, err := exec.CommandContext(ctx, node, "--version").Output(); err == nil {
		out.Version = strings.TrimSpace(string(text))
	}
	dir := req.GetInfo().GetProgramDirectory()
	if info, err := readManifest(filepath.Join(dir, "node_modules", "typescript", "package.json")); err == nil {
		out.Metadata["typescriptVersion"] = info.Version
	}
	return out, nil
}

// GetProgramDependencies lists the packages of package.json with the versions that are installed;
// with transitive_dependencies all that package-lock.json holds.
func (h *host) GetProgramDependencies(
	_ context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	dir := req.GetInfo().GetProgramDirectory()
	out := &pulumirpc.GetProgramDependenciesResponse{}
	add := func(name, version string) {
		out.Dependencies = append(out.Dependencies, &pulumirpc.DependencyInfo{Name: name, Version: version})
	}
	if req.GetTransitiveDependencies() {
		locked, err := readLock(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			return nil, err
		}
		for _, p := range locked {
			add(p.name, p.version)
		}
		return out, nil
	}
	program, err := readManifest(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range sortedNames(program.Dependencies, program.DevDependencies) {
		if info, err := readManifest(filepath.Join(dir, "node_modules", name, "package.json")); err == nil {
			add(name, info.Version)
		}
	}
	return out, nil
}

// RuntimeOptionsPrompts asks for nothing: npm is the package manager here.
func (h *host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func (h *host) Template(context.Context, *pulumirpc.TemplateRequest) (*pulumirpc.TemplateResponse, error) {
	return &pulumirpc.TemplateResponse{}, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
