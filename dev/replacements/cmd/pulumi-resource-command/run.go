package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"appkata-mqtt/toolchain/internal/plugin"
)

// run runs one command to its end, sends its lines to the engine as they come, and fills out. A
// command that fails leaves out as it was; the error holds all that the command wrote.
func (p *provider) run(ctx context.Context, urn, command string, in inputs, out *outputs) error {
	ctx, done := p.Operation(ctx)
	defer done()

	words := in.interpreter
	if len(words) == 0 {
		words = []string{"/bin/sh", "-c"}
		if runtime.GOOS == "windows" {
			words = []string{"cmd", "/C"}
		}
	}
	words = append(append([]string{}, words...), command)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	// A cancelled command does not wait for streams that a grandchild holds open.
	cmd.WaitDelay = 5 * time.Second

	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if in.dir != nil {
		dir = *in.dir
	}
	cmd.Dir = dir
	cmd.Env = environment(in, *out)
	if in.stdin != nil && *in.stdin != "" {
		cmd.Stdin = strings.NewReader(*in.stdin)
	}

	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	reader, lines := io.Pipe()
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		p.logLines(ctx, urn, reader)
	}()
	cmd.Stdout = tee(in.logs("stdout"), lines, &stdout, &both)
	cmd.Stderr = tee(in.logs("stderr"), lines, &stderr, &both)

	err = cmd.Run()
	_ = lines.Close()
	<-logged
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, command, both.String())
	}
	if in.hasAssets {
		if out.assets, err = findAssets(dir, in.assetPaths); err != nil {
			return err
		}
	}
	if in.hasArchives {
		if out.archive, err = findArchive(dir, in.archivePaths); err != nil {
			return err
		}
	}
	out.stdout = strings.TrimSuffix(stdout.String(), "\n")
	out.stderr = strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

// environment is this process's own, then the command's, then what the last command wrote.
func environment(in inputs, last outputs) []string {
	env := os.Environ()
	for name, value := range in.environment {
		env = append(env, name+"="+value)
	}
	if in.hideOutput {
		return env
	}
	if last.stdout != "" {
		env = append(env, "PULUMI_COMMAND_STDOUT="+last.stdout)
	}
	if last.stderr != "" {
		env = append(env, "PULUMI_COMMAND_STDERR="+last.stderr)
	}
	return env
}

// logs tells whether a stream is shown while the command runs. Both are without a setting.
func (in inputs) logs(stream string) bool {
	return in.logging == nil || *in.logging == stream || *in.logging == "stdoutAndStderr"
}

func tee(logs bool, lines io.Writer, writers ...io.Writer) io.Writer {
	if logs {
		writers = append(writers, lines)
	}
	return io.MultiWriter(writers...)
}

// logLines shows each line as the resource's status. A line too long to show is passed over, but
// read: a pipe that nobody reads would stop the command.
func (p *provider) logLines(ctx context.Context, urn string, r io.Reader) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		p.Host.LogStatus(ctx, plugin.Info, urn, scanner.Text())
	}
	_, _ = io.Copy(io.Discard, r)
}

// lockedBuffer takes both streams in the order in which they come.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
