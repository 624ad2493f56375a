package main

import (
	"fmt"
	"io"
	"os/exec"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// streamWriter sends what is written to it as one of the two streams of an installation.
type streamWriter func([]byte) error

func (w streamWriter) Write(p []byte) (int, error) {
	return len(p), w(append([]byte{}, p...))
}

// InstallDependencies runs the package manager's install in the program's directory.
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest,
	stream grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	stdout := streamWriter(func(p []byte) error {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: p})
	})
	stderr := streamWriter(func(p []byte) error {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{Stderr: p})
	})
	opts, err := parseOptions(req.GetInfo().GetOptions().AsMap())
	if err != nil {
		return fmt.Errorf("failed to parse options: %w", err)
	}
	fmt.Fprint(stdout, "Installing dependencies...\n\n")
	args := []string{"install"}
	if opts.packageManager == "npm" {
		args = append(args, "--loglevel=error")
		if opts.production {
			args = append(args, "--omit=dev")
		}
	} else if opts.production {
		args = append(args, "--production")
	}
	cmd := exec.CommandContext(stream.Context(), opts.packageManager, args...)
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Stdout, cmd.Stderr = io.Writer(stdout), io.Writer(stderr)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s install failed: %w", opts.packageManager, err)
	}
	fmt.Fprint(stdout, "Finished installing dependencies\n\n")
	return nil
}
