package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// manifest is the part of a package.json that matters here. Its "pulumi" section names the plugin
// that the package's resources need.
type manifest struct {
	Name            string            `json:"name"`
	Version         string            `json:"version"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
	Pulumi          struct {
		Resource         bool              `json:"resource"`
		Name             string            `json:"name"`
		Version          string            `json:"version"`
		Server           string            `json:"server"`
		Parameterization *parameterization `json:"parameterization"`
	} `json:"pulumi"`
}

type parameterization struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Value   []byte `json:"value"`
}

func readManifest(path string) (manifest, error) {
	var m manifest
	err := readJSON(path, &m)
	return m, err
}

// GetRequiredPackages reports every resource plugin that a package under the program's
// node_modules asks for, nested node_modules included.
func (h *host) GetRequiredPackages(
	_ context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	found, err := requiredPackages(filepath.Join(req.GetInfo().GetProgramDirectory(), "node_modules"))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetRequiredPackagesResponse{Packages: found}, nil
}

// GetRequiredPlugins is the older form of GetRequiredPackages.
func (h *host) GetRequiredPlugins(
	_ context.Context, req *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	found, err := requiredPackages(filepath.Join(req.GetInfo().GetProgramDirectory(), "node_modules"))
	if err != nil {
		return nil, err
	}
	out := &pulumirpc.GetRequiredPluginsResponse{}
	for _, p := range found {
		out.Plugins = append(out.Plugins, &pulumirpc.PluginDependency{
			Name: p.Name, Kind: p.Kind, Version: p.Version, Server: p.Server,
		})
	}
	return out, nil
}

func requiredPackages(nodeModules string) ([]*pulumirpc.PackageDependency, error) {
	seen := map[string]bool{}
	var out []*pulumirpc.PackageDependency
	err := eachPackage(nodeModules, seen, func(m manifest) error {
		if !m.Pulumi.Resource {
			return nil
		}
		p, err := dependency(m)
		if err == nil {
			out = append(out, p)
		}
		return err
	})
	return out, err
}

func dependency(m manifest) (*pulumirpc.PackageDependency, error) {
	p := &pulumirpc.PackageDependency{
		Kind: "resource", Name: m.Pulumi.Name, Version: m.Pulumi.Version, Server: m.Pulumi.Server,
	}
	if p.Name == "" {
		name, ours := strings.CutPrefix(m.Name, "@pulumi/")
		if !ours {
			return nil, fmt.Errorf("missing property \"name\" for the third-party plugin '%s' "+
				"inside package.json under the \"pulumi\" section", m.Name)
		}
		p.Name = name
	}
	if p.Version == "" {
		p.Version = m.Version
	}
	if p.Version == "" {
		return nil, fmt.Errorf("package %s has no version", m.Name)
	}
	if !strings.HasPrefix(p.Version, "v") {
		p.Version = "v" + p.Version
	}
	if a := m.Pulumi.Parameterization; a != nil {
		p.Parameterization = &pulumirpc.PackageParameterization{
			Name: a.Name, Version: a.Version, Value: a.Value,
		}
	}
	return p, nil
}

// eachPackage calls visit for the packages directly in a node_modules directory (scopes included)
// and for those nested below them. A package.json that cannot be read is none of a program's needs.
func eachPackage(nodeModules string, seen map[string]bool, visit func(manifest) error) error {
	dir, err := filepath.EvalSymlinks(nodeModules)
	if err != nil || seen[dir] {
		return nil
	}
	seen[dir] = true
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "."):
		case strings.HasPrefix(name, "@"):
			// A scope holds packages as node_modules itself does.
			if err := eachPackage(filepath.Join(dir, name), seen, visit); err != nil {
				return err
			}
		default:
			if m, err := readManifest(filepath.Join(dir, name, "package.json")); err == nil {
				if err := visit(m); err != nil {
					return err
				}
			}
			if err := eachPackage(filepath.Join(dir, name, "node_modules"), seen, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

type lockedPackage struct{ name, version string }

func readLock(path string) ([]lockedPackage, error) {
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := readJSON(path, &lock); err != nil {
		return nil, err
	}
	var out []lockedPackage
	for at, p := range lock.Packages {
		if i := strings.LastIndex(at, "node_modules/"); i >= 0 && p.Version != "" {
			out = append(out, lockedPackage{at[i+len("node_modules/"):], p.Version})
		}
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].name+"@"+out[i].version < out[j].name+"@"+out[j].version
	})
	return out, nil
}

func sortedNames(sets ...map[string]string) []string {
	var names []string
	for _, set := range sets {
		for name := range set {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
