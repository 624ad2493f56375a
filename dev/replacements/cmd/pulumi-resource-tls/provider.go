package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

type provider struct {
	*plugin.Provider
}

// Configure: the only setting of the official plugin, a proxy, is for functions not offered here.
// Secrets are left to the engine: an output is secret when the schema or an input of its name is.
func (p *provider) Configure(
	context.Context, *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{SupportsPreview: true, AcceptResources: true}, nil
}

func (p *provider) Check(
	_ context.Context, req *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := plugin.DecodePlain(req.GetNews())
	if err != nil {
		return nil, err
	}
	out := &pulumirpc.CheckResponse{}
	for _, reason := range k.check(plugin.NameOf(req.GetUrn()), news) {
		out.Failures = append(out.Failures, &pulumirpc.CheckFailure{Reason: reason})
	}
	out.Inputs, err = encode(k, news)
	return out, err
}

// encode marks what the schema calls secret.
func encode(k *kind, m resource.PropertyMap) (*structpb.Struct, error) {
	m = m.Copy()
	for name, v := range m {
		if k.secret(string(name)) {
			m[name] = plugin.Secret(v)
		}
	}
	return plugin.Encode(m)
}

// Diff plans a change. A certificate that is due for renewal is planned for replacement here, by
// the clock, whether or not a refresh has noted it in the state before.
func (p *provider) Diff(
	_ context.Context, req *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	k, state, news, err := decodeChange(req.GetUrn(), req.GetOlds(), req.GetNews(), req.GetIgnoreChanges())
	if err != nil {
		return nil, err
	}
	planned, replaces, err := k.plan(state, news, time.Now())
	if err != nil {
		return nil, err
	}
	diff := k.known(state).Diff(planned)
	if diff == nil || !diff.AnyChanges() {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	out := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_SOME, HasDetailedDiff: true, Replaces: replaces,
		DetailedDiff: plugin.DetailedDiff(diff, func(path string) bool {
			return slices.Contains(replaces, topOf(path))
		}),
	}
	changed := map[string]bool{}
	for path := range out.DetailedDiff {
		changed[topOf(path)] = true
	}
	out.Diffs = slices.Sorted(maps.Keys(changed))
	return out, nil
}

func decodeChange(
	urn string, olds, news *structpb.Struct, ignore []string,
) (k *kind, state, inputs resource.PropertyMap, err error) {
	if k, err = kindOf(urn); err != nil {
		return
	}
	if state, err = plugin.DecodePlain(olds); err != nil {
		return
	}
	if inputs, err = plugin.DecodePlain(news); err != nil {
		return
	}
	for _, path := range ignore {
		if v, has := state[resource.PropertyKey(path)]; has {
			inputs[resource.PropertyKey(path)] = v
		} else {
			delete(inputs, resource.PropertyKey(path))
		}
	}
	return
}

func (p *provider) Create(
	ctx context.Context, req *pulumirpc.CreateRequest,
) (*pulumirpc.CreateResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := plugin.DecodePlain(req.GetProperties())
	if err != nil {
		return nil, err
	}
	planned, _, err := k.plan(nil, news, time.Now())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		properties, err := encode(k, planned)
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	warn := func(text string) { p.Host.Log(ctx, plugin.Warning, req.GetUrn(), text) }
	made, err := k.create(planned, warn)
	if err != nil {
		return nil, err
	}
	for name, v := range planned {
		if _, set := made[name]; !set && !v.IsComputed() {
			made[name] = v
		}
	}
	id := made["id"].StringValue()
	properties, err := encode(k, made)
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, err
}

// Update takes over the plan: nothing that can change in place is part of a key or certificate.
func (p *provider) Update(
	_ context.Context, req *pulumirpc.UpdateRequest,
) (*pulumirpc.UpdateResponse, error) {
	k, state, news, err := decodeChange(req.GetUrn(), req.GetOlds(), req.GetNews(), req.GetIgnoreChanges())
	if err != nil {
		return nil, err
	}
	planned, _, err := k.plan(state, news, time.Now())
	if err != nil {
		return nil, err
	}
	if id, has := state["id"]; has {
		planned["id"] = id
	}
	properties, err := encode(k, planned)
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// Read notes in the state that a certificate is due for renewal; there is nothing else to look at.
func (p *provider) Read(
	_ context.Context, req *pulumirpc.ReadRequest,
) (*pulumirpc.ReadResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	state, err := plugin.DecodePlain(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if len(state) == 0 {
		return nil, errors.New("Resource Import Not Implemented: This resource does not support " +
			"import. Please contact the provider developer for additional information.")
	}
	if k.renews {
		due, err := dueForRenewal(state, state, time.Now())
		if err != nil {
			return nil, err
		}
		if due {
			state["readyForRenewal"] = resource.NewBoolProperty(true)
		}
	}
	inputs, err := plugin.DecodePlain(req.GetInputs())
	if err != nil {
		return nil, err
	}
	out := &pulumirpc.ReadResponse{Id: req.GetId()}
	if out.Inputs, err = encode(k, inputs); err != nil {
		return nil, err
	}
	out.Properties, err = encode(k, state)
	return out, err
}

// Delete forgets: a key or certificate exists in the state alone.
func (p *provider) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
