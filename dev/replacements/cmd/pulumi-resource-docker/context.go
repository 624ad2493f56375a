package main

import (
	"archive/tar"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignorePatterns reads NAME.dockerignore next to the Dockerfile or else the context's .dockerignore.
func ignorePatterns(dockerfile, dir string) ([]string, error) {
	for _, path := range []string{dockerfile + ".dockerignore", filepath.Join(dir, ".dockerignore")} {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("reading %q: %w", path, err)
		}
		defer f.Close()
		patterns, err := ignorefile.ReadAll(f)
		if err != nil {
			return nil, fmt.Errorf("unable to parse %q: %w", path, err)
		}
		return patterns, nil
	}
	return nil, nil
}

// eachFile visits what the patterns leave of a directory, in lexical order, by slash-separated
// path relative to it. A directory is only skipped as a whole when no pattern brings back a part.
func eachFile(dir string, patterns []string, visit func(name, path string, info fs.FileInfo) error) error {
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err != nil {
			return err
		}
		if ignored && entry.IsDir() && !matcher.Exclusions() {
			return fs.SkipDir
		}
		if ignored {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(name), path, info)
	})
}

// contextDigest is the SHA-256 over name, mode and content of the Dockerfile and of every file of
// the context, in the official plugin's own form: a stack can change over from one to the other.
func contextDigest(dir, dockerfile string) (string, error) {
	patterns, err := ignorePatterns(dockerfile, dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	// Hashed under a fixed name: the builder does not care what the Dockerfile is called.
	if err := hashFile(sum, "Dockerfile", dockerfile, 0); err != nil {
		return "", fmt.Errorf("error hashing dockerfile %q: %w", dockerfile, err)
	}
	err = eachFile(dir, patterns, func(name, path string, info fs.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		if err := hashFile(sum, name, path, info.Mode()); err != nil {
			return fmt.Errorf("error while hashing %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("unable to hash build context: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func hashFile(sum io.Writer, name, path string, mode fs.FileMode) error {
	content := sha256.New()
	switch {
	case mode.Type() == fs.ModeSymlink:
		// The target may lie outside of the context; the builder gets only its path.
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(content, filepath.ToSlash(filepath.Clean(target)))
	case mode.IsRegular():
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(content, f); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(sum, "%s%s%s\x00", name, mode, content.Sum(nil))
	return err
}

// buildContext is a build's directory: what goes to the daemon, and the Dockerfile's name in it.
type buildContext struct {
	dir, dockerfile string
	patterns        []string
	outside         string // path of a Dockerfile that is not in dir
}

func newBuildContext(opts buildOptions) (*buildContext, error) {
	patterns, err := ignorePatterns(opts.dockerfile, opts.context)
	if err != nil {
		return nil, fmt.Errorf("error reading ignore file: %w", err)
	}
	dir, err := filepath.Abs(opts.context)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("error resolving context: %w", err)
	}
	dockerfile, err := filepath.Abs(opts.dockerfile)
	if err == nil {
		dockerfile, err = filepath.EvalSymlinks(dockerfile)
	}
	if err != nil {
		return nil, fmt.Errorf("error resolving context: %w", err)
	}
	name, err := filepath.Rel(dir, dockerfile)
	if err != nil {
		return nil, fmt.Errorf("error resolving context: %w", err)
	}
	c := &buildContext{dir: dir, dockerfile: filepath.ToSlash(name), patterns: patterns}
	if strings.HasPrefix(c.dockerfile, "../") {
		c.outside = dockerfile
		return c, nil
	}
	// The daemon needs these two even when the image must not have them.
	c.patterns = append(c.patterns, "!"+c.dockerfile, "!.dockerignore")
	if len(patterns) == 0 {
		c.patterns = nil
	}
	return c, nil
}

// write writes the context as a tar whose files all belong to root, and gives the Dockerfile's
// name in it.
func (c *buildContext) write(w io.Writer) error {
	out := tar.NewWriter(w)
	err := eachFile(c.dir, c.patterns, func(name, path string, info fs.FileInfo) error {
		return addFile(out, name, path, info)
	})
	if err != nil {
		return err
	}
	if c.outside != "" {
		info, err := os.Stat(c.outside)
		if err != nil {
			return err
		}
		if err := addFile(out, c.nameInTar(), c.outside, info); err != nil {
			return err
		}
	}
	return out.Close()
}

var outsideName = func() string {
	var random [10]byte
	_, _ = rand.Read(random[:])
	return ".dockerfile." + hex.EncodeToString(random[:])
}()

func (c *buildContext) nameInTar() string {
	if c.outside != "" {
		return outsideName
	}
	return c.dockerfile
}

func addFile(out *tar.Writer, name, path string, info fs.FileInfo) error {
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	} else if !info.IsDir() && !info.Mode().IsRegular() {
		return nil // sockets, pipes and devices cannot be copied into an image
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		header.Name += "/"
	}
	if err := out.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(out, f, header.Size)
	return err
}
