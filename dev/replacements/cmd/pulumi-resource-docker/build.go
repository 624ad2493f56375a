package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// buildAndPush builds an image and pushes it under its full name. The repoDigest among the outputs
// is the registry's own, NAME@sha256:…; of an image that is not pushed it is the image's id.
func (p *provider) buildAndPush(
	ctx context.Context, urn string, img image, preview bool,
) (resource.PropertyMap, error) {
	d, err := connect(ctx, p.config)
	if err != nil {
		return nil, err
	}
	defer d.close()
	files, err := newBuildContext(img.build)
	if err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(img.name)
	if err != nil {
		return nil, err
	}
	cfg, err := loadDockerConfig()
	if err != nil {
		return nil, err
	}
	known := cfg.all()
	var own credentials
	if !img.skipPush || len(img.build.cacheFrom) > 0 {
		var warning string
		if own, warning, err = credentialsFor(img, cfg); err != nil {
			return nil, err
		}
		if warning != "" {
			p.Host.Log(ctx, plugin.Warning, urn, warning)
		}
		known[own.ServerAddress] = own
	}
	for _, name := range img.build.cacheFrom {
		p.pull(ctx, urn, d, name, img.build.platform, own)
	}
	id, err := p.build(ctx, urn, d, img, files, known)
	if err != nil {
		return nil, err
	}
	outputs := resource.NewPropertyMapFromMap(map[string]any{
		"dockerfile": files.dockerfile, "context": img.build.context, "baseImageName": img.name,
		"registryServer": img.registry.server, "imageName": img.name, "platform": img.build.platform,
		"repoDigest": id,
	})
	if img.skipPush || preview {
		return outputs, nil
	}
	digest, err := p.push(ctx, urn, d, named, own)
	if err != nil {
		return nil, err
	}
	outputs["repoDigest"] = resource.NewStringProperty(digest)
	return outputs, nil
}

// build gives the image's id.
func (p *provider) build(
	ctx context.Context, urn string, d *daemon, img image, files *buildContext,
	known map[string]credentials,
) (string, error) {
	p.Host.LogStatus(ctx, plugin.Info, urn, "Starting Docker build")
	query := url.Values{
		"t": {img.name}, "dockerfile": {files.nameInTar()}, "version": {img.build.builder},
		"platform": {img.build.platform}, "target": {img.build.target},
		"networkmode": {img.build.network}, "rm": {"1"}, "forcerm": {"1"},
	}
	if len(img.build.addHosts) > 0 {
		query["extrahosts"] = img.build.addHosts
	}
	setJSON(query, "buildargs", img.build.args, len(img.build.args))
	setJSON(query, "cachefrom", img.build.cacheFrom, len(img.build.cacheFrom))
	if img.build.builder == builderBuildKit {
		session, err := openSession(ctx, d, known)
		if err != nil {
			return "", fmt.Errorf("error building image: %w", err)
		}
		defer session.close()
		query.Set("session", session.id)
	}
	registries, err := json.Marshal(known)
	if err != nil {
		return "", err
	}
	header := http.Header{
		"Content-Type":      {"application/x-tar"},
		"X-Registry-Config": {base64.URLEncoding.EncodeToString(registries)},
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(files.write(writer)) }()
	res, err := d.request(ctx, http.MethodPost, "/build", query, header, reader)
	_ = reader.Close()
	if err != nil {
		return "", fmt.Errorf("error building image: %w", err)
	}
	defer res.Body.Close()
	id := ""
	err = p.follow(ctx, urn, res.Body, func(aux json.RawMessage) string {
		var result struct{ ID string }
		if json.Unmarshal(aux, &result) != nil || result.ID == "" {
			return ""
		}
		id = result.ID
		return "Built image with ID " + id
	})
	if err != nil {
		return "", fmt.Errorf("error reading build output: %w", err)
	}
	if id == "" {
		return "", errors.New("no image id found in build output")
	}
	if err := d.awaitImage(ctx, id); err != nil {
		return "", err
	}
	p.Host.LogStatus(ctx, plugin.Info, urn, fmt.Sprintf("Image built successfully, local id %q", id))
	return id, nil
}

func setJSON(query url.Values, name string, value any, size int) {
	if size > 0 {
		text, _ := json.Marshal(value)
		query.Set(name, string(text))
	}
}

// awaitImage waits until the daemon's store has the image: it may lag behind the builder.
func (d *daemon) awaitImage(ctx context.Context, id string) error {
	for try := 0; try < 5; try++ {
		var found struct{ ID string }
		if err := d.getJSON(ctx, "/images/"+id+"/json", &found); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return errors.New("unable to find built image in local image store")
}

// push gives the image's NAME@DIGEST in the registry.
func (p *provider) push(
	ctx context.Context, urn string, d *daemon, named reference.Named, own credentials,
) (string, error) {
	p.Host.LogStatus(ctx, plugin.Info, urn, "Pushing Image to the registry")
	query := url.Values{}
	if tagged, ok := reference.TagNameOnly(named).(reference.Tagged); ok {
		query.Set("tag", tagged.Tag())
	}
	res, err := d.request(ctx, http.MethodPost, "/images/"+reference.FamiliarName(named)+"/push", query,
		http.Header{"X-Registry-Auth": {own.header()}}, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	pushed := ""
	err = p.follow(ctx, urn, res.Body, func(aux json.RawMessage) string {
		var result struct{ Digest string }
		if json.Unmarshal(aux, &result) != nil || digest.Digest(result.Digest).Validate() != nil {
			return ""
		}
		pushed = reference.TrimNamed(named).Name() + "@" + result.Digest
		return "Pushed image with digest " + result.Digest
	})
	if err != nil {
		return "", fmt.Errorf("error reading push output: %w", err)
	}
	if pushed == "" {
		return "", fmt.Errorf("the daemon reported no digest for the pushed image %s", named)
	}
	return pushed, nil
}

// pull fetches an image to take cached layers from. That it cannot be had is no failure.
func (p *provider) pull(
	ctx context.Context, urn string, d *daemon, name, platform string, own credentials,
) {
	p.Host.LogStatus(ctx, plugin.Info, urn, "Pulling cached image "+name)
	res, err := d.request(ctx, http.MethodPost, "/images/create",
		url.Values{"fromImage": {name}, "platform": {platform}},
		http.Header{"X-Registry-Auth": {own.header()}}, nil)
	if err == nil {
		defer res.Body.Close()
		err = p.follow(ctx, urn, res.Body, nil)
	}
	if err != nil {
		p.Host.Log(ctx, plugin.Info, urn, fmt.Sprintf("cacheFrom image %s not available: %v", name, err))
	}
}
