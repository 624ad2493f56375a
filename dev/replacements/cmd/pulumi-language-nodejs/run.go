package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// The runner's exit code for "the user has been told what is wrong; say nothing more".
const exitAlreadyExplained = 32

const runModule = "@pulumi/pulumi/cmd/run"

func errNoNode(err error) error {
	return fmt.Errorf("could not find node on the $PATH: %w", err)
}

// Run runs the program until it ends, is cancelled, or its engine is gone. What is wrong with the
// program is told in the response; an error of the call itself would be a fault of this host.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	command, err := h.command(req)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	both, cancel := context.WithCancel(h.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()

	cmd := exec.CommandContext(both, command.node, command.args...)
	cmd.Env = command.env
	// An interrupt first, so that the program can tidy up; it is killed 5 seconds later.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	// Node changes the blocking mode of the descriptors that it is given, so it never gets ours.
	memory := &memorySniffer{}
	cmd.Stdout = struct{ io.Writer }{os.Stdout}
	cmd.Stderr = io.MultiWriter(memory, struct{ io.Writer }{os.Stderr})

	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf(
			"Problem executing program (could not run language executor): %v", err)}, nil
	case exit.ExitCode() == exitAlreadyExplained:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case exit.ExitCode() == 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited unexpectedly: %v", exit)}, nil
	}
	text := fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())
	if memory.seen {
		text += ". Detected a possible out of memory error. Consider increasing the memory available " +
			"to the nodejs process by setting the `nodeargs` runtime option in Pulumi.yaml to " +
			"`nodeargs: --max-old-space-size=<size>` where `<size>` is the maximum memory in megabytes " +
			"that can be allocated to nodejs."
	}
	return &pulumirpc.RunResponse{Error: text}, nil
}

type command struct {
	node string
	args []string
	env  []string
}

func (h *host) command(req *pulumirpc.RunRequest) (*command, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errNoNode(err)
	}
	info := req.GetInfo()
	opts, err := parseOptions(info.GetOptions().AsMap())
	if err != nil {
		return nil, err
	}
	runner, err := findRunner(info.GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	config, err := configVariable(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(), "PULUMI_CONFIG="+config, "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	if opts.typescript {
		env = append(env, "PULUMI_NODEJS_TYPESCRIPT=true")
	}
	if opts.tsconfig != "" {
		env = append(env, "PULUMI_NODEJS_TSCONFIG_PATH="+opts.tsconfig)
	}
	args := append(opts.nodeArgs, runner)
	return &command{node: node, args: append(args, h.runnerArgs(req)...), env: env}, nil
}

func (h *host) runnerArgs(req *pulumirpc.RunRequest) []string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name, value)
		}
	}
	info := req.GetInfo()
	add("monitor", req.GetMonitorAddress())
	add("engine", h.engineAddress)
	add("organization", req.GetOrganization())
	add("project", req.GetProject())
	add("root-directory", info.GetRootDirectory())
	add("stack", req.GetStack())
	add("pwd", info.GetProgramDirectory())
	if req.GetDryRun() {
		args = append(args, "--dry-run")
	}
	add("parallel", strconv.Itoa(int(req.GetParallel())))
	add("tracing", h.tracing)
	return append(append(args, info.GetEntryPoint()), req.GetArgs()...)
}

// configVariable writes the stack's config as the SDK reads it, its keys in the form
// "namespace:config:name" that SDKs of all ages understand.
func configVariable(config map[string]string) (string, error) {
	out := make(map[string]string, len(config))
	for key, value := range config {
		namespace, name, ok := strings.Cut(key, ":")
		if !ok {
			return "", fmt.Errorf("config key %q has no namespace", key)
		}
		out[namespace+":config:"+strings.TrimPrefix(name, "config:")] = value
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// findRunner finds the SDK's runner from the program's directory upward, as node resolves it.
func findRunner(programDir string) (string, error) {
	module := os.Getenv("PULUMI_LANGUAGE_NODEJS_RUN_PATH")
	if module == "" {
		module = runModule
	}
	if filepath.IsAbs(module) {
		return module, nil
	}
	dir, err := filepath.Abs(programDir)
	if err != nil {
		return "", err
	}
	for {
		base := filepath.Join(dir, "node_modules", filepath.FromSlash(module))
		for _, path := range []string{filepath.Join(base, "index.js"), base + ".js"} {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				// The real path, or packages under a linked node_modules would load twice.
				return filepath.EvalSymlinks(path)
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New(
				"It looks like the Pulumi SDK has not been installed. Have you run pulumi install?")
		}
		dir = parent
	}
}

// memorySniffer notices the text with which Node dies when its heap is full.
type memorySniffer struct {
	tail string
	seen bool
}

func (s *memorySniffer) Write(p []byte) (int, error) {
	const mark = "<--- Last few GCs --->"
	text := s.tail + string(p)
	if strings.Contains(text, mark) {
		s.seen = true
	}
	s.tail = text[max(0, len(text)-len(mark)):]
	return len(p), nil
}
