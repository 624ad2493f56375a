package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Check fills in the defaults and the digest of the build context, which turns a changed file into
// a changed input. Paths are relative to the program's directory.
func (p *provider) Check(
	ctx context.Context, req *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	if plugin.TypeOf(req.GetUrn()) != imageType {
		return nil, plugin.UnknownType(req.GetUrn())
	}
	inputs, err := plugin.DecodePlain(req.GetNews())
	if err != nil {
		return nil, err
	}
	onPreview := inputs["buildOnPreview"]
	inputs["buildOnPreview"] = resource.NewBoolProperty(onPreview.IsBool() && onPreview.BoolValue())

	opts, err := readBuild(inputs["build"])
	if err != nil {
		return nil, err
	}
	if inputs["build"].IsNull() {
		inputs["build"] = resource.NewObjectProperty(resource.PropertyMap{})
	}
	if inputs["build"].IsObject() {
		if err := p.checkBuild(ctx, req.GetUrn(), inputs["build"].ObjectValue(), opts); err != nil {
			return nil, err
		}
	}
	if err := checkNames(inputs, opts); err != nil {
		return nil, err
	}
	out, err := plugin.Encode(inputs)
	return &pulumirpc.CheckResponse{Inputs: out}, err
}

func (p *provider) checkBuild(
	ctx context.Context, urn string, build resource.PropertyMap, opts buildOptions,
) error {
	if !build["context"].ContainsUnknowns() {
		build["context"] = resource.NewStringProperty(opts.context)
	}
	if !build["dockerfile"].ContainsUnknowns() {
		build["dockerfile"] = resource.NewStringProperty(opts.dockerfile)
		if err := findDockerfile(opts); err != nil {
			return err
		}
		digest, err := contextDigest(opts.context, opts.dockerfile)
		if err != nil {
			return err
		}
		build["contextDigest"] = resource.NewStringProperty(digest)
	}
	if build["platform"].IsNull() {
		platform := "linux/" + runtime.GOARCH
		build["platform"] = resource.NewStringProperty(platform)
		p.Host.Log(ctx, plugin.Info, urn, fmt.Sprintf("Building your image for %s architecture.\n"+
			"To ensure you are building for the correct platform, consider "+
			"explicitly setting the `platform` field on ImageBuildOptions.", platform))
	}
	return nil
}

func findDockerfile(opts buildOptions) error {
	_, err := os.Stat(opts.dockerfile)
	if err == nil {
		return nil
	}
	if filepath.IsAbs(opts.dockerfile) {
		return fmt.Errorf("expected a relative Dockerfile path; got %q instead: %v", opts.dockerfile, err)
	}
	// Given relative to the build context instead of the program?
	within := filepath.Join(opts.context, opts.dockerfile)
	if _, missing := os.Stat(within); missing != nil {
		return fmt.Errorf("could not open dockerfile at relative path %q: %v", opts.dockerfile, err)
	}
	return fmt.Errorf("could not open dockerfile at relative path %q. "+
		"Try setting `dockerfile` to %q", opts.dockerfile, within)
}

// checkNames requires fully qualified image names if a registry is used.
func checkNames(inputs resource.PropertyMap, opts buildOptions) error {
	push := !(inputs["skipPush"].IsBool() && inputs["skipPush"].BoolValue())
	if name := inputs["imageName"]; name.IsString() && (push || len(opts.cacheFrom) > 0) {
		host, err := registryHost(readRegistry(inputs["registry"]).server, name.StringValue())
		if err != nil {
			return err
		}
		for _, image := range opts.cacheFrom {
			if _, err := registryHost(host, image); err != nil {
				return err
			}
		}
	}
	return nil
}
