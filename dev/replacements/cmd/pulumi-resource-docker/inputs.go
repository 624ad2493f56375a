package main

import (
	"errors"
	"path"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const (
	builderV1       = "1"
	builderBuildKit = "2" // the default
)

type image struct {
	name     string
	skipPush bool
	registry registry
	build    buildOptions
}

type registry struct{ server, username, password string }

type buildOptions struct {
	context, dockerfile, target, platform, network string
	args                                           map[string]string
	addHosts, cacheFrom                            []string
	builder                                        string
}

func readImage(inputs resource.PropertyMap) (image, error) {
	if !inputs["imageName"].IsString() {
		return image{}, errors.New("imageName is required")
	}
	build, err := readBuild(inputs["build"])
	skip := inputs["skipPush"]
	return image{
		name:     inputs["imageName"].StringValue(),
		skipPush: skip.IsBool() && skip.BoolValue(),
		registry: readRegistry(inputs["registry"]),
		build:    build,
	}, err
}

func textOf(v resource.PropertyValue, fallback string) string {
	if v.IsString() {
		return v.StringValue()
	}
	return fallback
}

func readRegistry(v resource.PropertyValue) registry {
	if !v.IsObject() {
		return registry{}
	}
	m := v.ObjectValue()
	return registry{textOf(m["server"], ""), textOf(m["username"], ""), textOf(m["password"], "")}
}

// readBuild reads the build options, with the current directory as the default context and its
// Dockerfile as the default one.
func readBuild(v resource.PropertyValue) (buildOptions, error) {
	opts := buildOptions{context: ".", builder: builderBuildKit}
	if !v.IsObject() {
		if v.IsNull() {
			opts.dockerfile = "Dockerfile"
		}
		return opts, nil
	}
	m := v.ObjectValue()
	opts.context = textOf(m["context"], ".")
	if m["context"].ContainsUnknowns() {
		opts.context = ""
	}
	opts.dockerfile = textOf(m["dockerfile"], path.Join(opts.context, "Dockerfile"))
	opts.target = textOf(m["target"], "")
	opts.platform = textOf(m["platform"], "")
	opts.network = textOf(m["network"], "")
	switch textOf(m["builderVersion"], "BuilderBuildKit") {
	case "BuilderV1":
		opts.builder = builderV1
	case "BuilderBuildKit":
	default:
		return opts, errors.New("invalid Docker Builder version")
	}
	if args := m["args"]; args.IsObject() {
		opts.args = map[string]string{}
		for name, value := range args.ObjectValue() {
			if value.IsString() {
				opts.args[string(name)] = value.StringValue()
			}
		}
	}
	opts.addHosts = textsOf(m["addHosts"])
	var err error
	opts.cacheFrom, err = readCacheFrom(m["cacheFrom"])
	return opts, err
}

func readCacheFrom(v resource.PropertyValue) ([]string, error) {
	if !v.IsObject() {
		return nil, nil
	}
	images, given := v.ObjectValue()["images"]
	if !given {
		return nil, errors.New("cacheFrom requires an `images` field")
	}
	if !images.IsNull() && !images.IsArray() && !images.ContainsUnknowns() {
		return nil, errors.New("the `images` field must be a list of strings")
	}
	return textsOf(images), nil
}

func textsOf(v resource.PropertyValue) []string {
	var out []string
	if v.IsArray() {
		for _, item := range v.ArrayValue() {
			if item.IsString() {
				out = append(out, item.StringValue())
			}
		}
	}
	return out
}
