package main

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
)

// findAssets gives the files under dir that the patterns name, in their order: a pattern adds the
// files that it matches, one with "!" before it takes them away again. "*" stays within a
// directory, "**" does not.
func findAssets(dir string, patterns []string) (map[string]*asset.Asset, error) {
	type rule struct {
		glob.Glob
		exclude bool
	}
	var rules []rule
	for _, pattern := range patterns {
		pattern, exclude := strings.CutPrefix(pattern, "!")
		compiled, err := glob.Compile(pattern, '/')
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{compiled, exclude})
	}
	found := map[string]*asset.Asset{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		for _, r := range rules {
			switch {
			case !r.Match(name):
			case r.exclude:
				delete(found, name)
			default:
				if found[name], err = asset.FromPath(path.Join(dir, name)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return found, err
}

// findArchive gives the same files as one archive.
func findArchive(dir string, patterns []string) (*archive.Archive, error) {
	assets, err := findAssets(dir, patterns)
	if err != nil {
		return nil, err
	}
	members := map[string]any{}
	for name, a := range assets {
		members[name] = a
	}
	return archive.FromAssets(members)
}
