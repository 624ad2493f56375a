package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

const commandType = "command:local:Command"

type provider struct {
	*plugin.Provider
}

// Configure: this plugin reads no configuration. It handles secrets itself, as the official one.
func (p *provider) Configure(
	context.Context, *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, AcceptResources: true,
	}, nil
}

func (p *provider) Check(
	_ context.Context, req *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	if plugin.TypeOf(req.GetUrn()) != commandType {
		return nil, plugin.UnknownType(req.GetUrn())
	}
	news, err := plugin.Decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	out := &pulumirpc.CheckResponse{}
	for _, f := range checkInputs(news) {
		out.Failures = append(out.Failures, &pulumirpc.CheckFailure{Property: f.property, Reason: f.reason})
	}
	out.Inputs, err = plugin.Encode(news)
	return out, err
}

// Diff compares inputs with inputs. A change below triggers ("triggers[0]") is an update here:
// it is the SDK that asks the engine to replace on "triggers[*]".
func (p *provider) Diff(
	_ context.Context, req *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	news, err := plugin.Decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := oldInputs(req)
	if err != nil {
		return nil, err
	}
	for _, path := range req.GetIgnoreChanges() {
		key := resource.PropertyKey(path)
		if v, has := olds[key]; has {
			news[key] = v
		}
	}
	dropInternal(olds)
	dropInternal(news)
	diff := olds.Diff(news)
	if diff == nil || !diff.AnyChanges() {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	out := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_SOME,
		HasDetailedDiff: true,
		DetailedDiff:    plugin.DetailedDiff(diff, func(path string) bool { return path == "triggers" }),
	}
	for path, change := range out.DetailedDiff {
		out.Diffs = append(out.Diffs, path)
		if strings.HasSuffix(change.Kind.String(), "REPLACE") {
			out.Replaces = append(out.Replaces, path)
		}
	}
	return out, nil
}

// oldInputs takes the inputs that the engine sends, or reads them from the state of one that
// sends none.
func oldInputs(req *pulumirpc.DiffRequest) (resource.PropertyMap, error) {
	if req.GetOldInputs() != nil {
		return plugin.Decode(req.GetOldInputs())
	}
	state, err := plugin.Decode(req.GetOlds())
	if err != nil {
		return nil, err
	}
	for key := range state {
		if _, input := inputKinds[string(key)]; !input {
			delete(state, key)
		}
	}
	return state, nil
}

func dropInternal(m resource.PropertyMap) {
	for key := range m {
		if key == "version" || strings.HasPrefix(string(key), "__") {
			delete(m, key)
		}
	}
}

func (p *provider) Create(
	ctx context.Context, req *pulumirpc.CreateRequest,
) (*pulumirpc.CreateResponse, error) {
	news, err := plugin.Decode(req.GetProperties())
	if err != nil {
		return nil, err
	}
	var out outputs
	if !req.GetPreview() {
		in, err := readInputs(news)
		if err != nil {
			return nil, err
		}
		if in.create != nil {
			if err := p.run(ctx, req.GetUrn(), *in.create, in, &out); err != nil {
				return nil, err
			}
		}
	}
	state, err := plugin.Encode(stateOf(news, out, req.GetPreview()))
	if err != nil {
		return nil, err
	}
	id, err := newID(plugin.NameOf(req.GetUrn()))
	return &pulumirpc.CreateResponse{Id: id, Properties: state}, err
}

// newID gives NAME followed by 8 random hexadecimal digits.
func newID(name string) (string, error) {
	var random [4]byte
	_, err := rand.Read(random[:])
	return name + hex.EncodeToString(random[:]), err
}

// Update runs the update command or, without one, the create command again.
func (p *provider) Update(
	ctx context.Context, req *pulumirpc.UpdateRequest,
) (*pulumirpc.UpdateResponse, error) {
	news, err := plugin.Decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := plugin.Decode(req.GetOlds())
	if err != nil {
		return nil, err
	}
	for _, path := range req.GetIgnoreChanges() {
		if v, has := olds[resource.PropertyKey(path)]; has {
			news[resource.PropertyKey(path)] = v
		}
	}
	out := readOutputs(olds)
	if !req.GetPreview() {
		in, err := readInputs(news)
		if err != nil {
			return nil, err
		}
		command := in.create
		if in.update != nil {
			command = in.update
		}
		if command != nil {
			if err := p.run(ctx, req.GetUrn(), *command, in, &out); err != nil {
				return nil, err
			}
		}
	}
	state, err := plugin.Encode(stateOf(news, out, req.GetPreview()))
	return &pulumirpc.UpdateResponse{Properties: state}, err
}

// Read returns what is known: a command leaves nothing behind that could be looked at.
func (p *provider) Read(
	_ context.Context, req *pulumirpc.ReadRequest,
) (*pulumirpc.ReadResponse, error) {
	if len(req.GetProperties().GetFields()) == 0 {
		return nil, errors.New("a command cannot be imported")
	}
	return &pulumirpc.ReadResponse{
		Id: req.GetId(), Inputs: req.GetInputs(), Properties: req.GetProperties(),
	}, nil
}

// Delete runs the delete command, if there is one.
func (p *provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	state, err := plugin.Decode(req.GetProperties())
	if err != nil {
		return nil, err
	}
	in, err := readInputs(state)
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", plugin.NameOf(req.GetUrn()), err)
	}
	if in.delete != nil {
		out := readOutputs(state)
		if err := p.run(ctx, req.GetUrn(), *in.delete, in, &out); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}
