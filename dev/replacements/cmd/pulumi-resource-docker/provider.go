package main

import (
	"context"
	"fmt"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	imageType = "docker:index/image:Image"
	// Where the state keeps the inputs that the image was built with. Secret: they may hold the
	// registry's password.
	inputsKey = "__inputs"
)

type provider struct {
	*plugin.Provider
	config config
}

// Configure finds the Docker daemon. It fails when none answers, as the official plugin's does:
// previews need the daemon too.
func (p *provider) Configure(
	ctx context.Context, req *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	p.config = readConfig(req.GetVariables()) //nolint:staticcheck // the official plugin reads these
	daemon, err := connect(ctx, p.config)
	if err != nil {
		return nil, fmt.Errorf(
			"docker native provider returned an unexpected error from Configure: %w", err)
	}
	daemon.close()
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

// Diff compares the inputs with those of the last build. A registry's username and password are
// left out: a token that changes with every login is no reason to build.
func (p *provider) Diff(
	_ context.Context, req *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	state, err := plugin.DecodePlain(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := plugin.DecodePlain(req.GetNews())
	if err != nil {
		return nil, err
	}
	olds := resource.PropertyMap{}
	if v := state[inputsKey]; v.IsObject() {
		olds = v.ObjectValue()
	}
	changes := map[string]*pulumirpc.PropertyDiff{}
	if diff := olds.Diff(news); diff != nil {
		for key := range diff.Adds {
			changes[string(key)] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_ADD}
		}
		for key := range diff.Deletes {
			changes[string(key)] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_DELETE}
		}
		for key, change := range diff.Updates {
			if key == "registry" && change.Object != nil {
				if _, server := change.Object.Updates["server"]; !server {
					continue
				}
			}
			changes[string(key)] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE}
		}
	}
	if len(changes) == 0 {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	return &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_SOME, DetailedDiff: changes, HasDetailedDiff: true,
	}, nil
}

func (p *provider) Create(
	ctx context.Context, req *pulumirpc.CreateRequest,
) (*pulumirpc.CreateResponse, error) {
	if plugin.TypeOf(req.GetUrn()) != imageType {
		return nil, plugin.UnknownType(req.GetUrn())
	}
	id, properties, err := p.make(ctx, req.GetUrn(), req.GetProperties(), req.GetPreview())
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, err
}

// Update builds and pushes again.
func (p *provider) Update(
	ctx context.Context, req *pulumirpc.UpdateRequest,
) (*pulumirpc.UpdateResponse, error) {
	_, properties, err := p.make(ctx, req.GetUrn(), req.GetNews(), req.GetPreview())
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// make builds and, outside of previews, pushes the image. A preview builds when buildOnPreview
// says so and enough is known; otherwise it gives the inputs back.
func (p *provider) make(
	ctx context.Context, urn string, properties *structpb.Struct, preview bool,
) (string, *structpb.Struct, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	inputs, err := plugin.DecodePlain(properties)
	if err != nil {
		return "", nil, fmt.Errorf("malformed resource inputs: %w", err)
	}
	if preview && !p.canPreview(ctx, urn, inputs) {
		return "", properties, nil
	}
	img, err := readImage(inputs)
	if err != nil {
		return "", nil, err
	}
	outputs, err := p.buildAndPush(ctx, urn, img, preview)
	if err != nil {
		return "", nil, err
	}
	outputs[inputsKey] = resource.MakeSecret(resource.NewObjectProperty(inputs))
	state, err := plugin.Encode(outputs)
	return img.name, state, err
}

func (p *provider) canPreview(ctx context.Context, urn string, inputs resource.PropertyMap) bool {
	wants := inputs["buildOnPreview"]
	if wants.ContainsUnknowns() {
		p.Host.Log(ctx, plugin.Warning, urn, "buildOnPreview is unresolved; cannot build on preview. "+
			"Continuing without preview image build. To avoid this warning, set buildOnPreview "+
			"explicitly, and ensure all inputs are resolved at preview.")
		return false
	}
	if wants.IsBool() && !wants.BoolValue() {
		return false
	}
	build := inputs["build"]
	known := build.IsObject() && !inputs["imageName"].ContainsUnknowns()
	for _, key := range []resource.PropertyKey{"dockerfile", "context", "args"} {
		known = known && !build.ObjectValue()[key].ContainsUnknowns()
	}
	if !known {
		p.Host.Log(ctx, plugin.Warning, urn, "Minimum inputs for build are unresolved. "+
			"Continuing without preview image build. To avoid this warning, ensure image name, "+
			"dockerfile, args, and context are resolved at preview.")
	}
	return known
}

// Read returns what is known; the image is not looked for in the registry.
func (p *provider) Read(
	_ context.Context, req *pulumirpc.ReadRequest,
) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{
		Id: req.GetId(), Inputs: req.GetInputs(), Properties: req.GetProperties(),
	}, nil
}

// Delete forgets: images stay in the registry and in the daemon's store.
func (p *provider) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
