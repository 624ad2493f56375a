package plugin

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// State files and schemas can be large; 400 MiB is the limit that the engine itself uses.
const maxMessageSize = 400 << 20

// EngineArgs are the command-line arguments that the engine gives to a plugin.
type EngineArgs struct {
	Address string // the engine's gRPC address; empty when started by hand
	Tracing string
	Version bool
}

// ParseArgs reads the engine's arguments. Flags it does not know (logging, runtime options of
// other versions) are skipped: they change nothing in what a plugin answers.
func ParseArgs(args []string) EngineArgs {
	var out EngineArgs
	for len(args) > 0 {
		set := flag.NewFlagSet("", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		set.StringVar(&out.Tracing, "tracing", out.Tracing, "")
		set.BoolVar(&out.Version, "version", out.Version, "")
		set.Bool("logtostderr", false, "")
		set.Bool("logflow", false, "")
		set.String("runtime", "", "")
		set.String("root", "", "")
		set.Int("v", 0, "")
		err := set.Parse(args)
		args = set.Args()
		if err == nil {
			break
		}
	}
	if len(args) > 0 {
		out.Address = args[0]
	}
	return out
}

// Serve runs a gRPC server on a free loopback port, prints the port as the engine expects it, and
// returns when the plugin is told to stop or when the engine is gone. The context given to
// register ends then too: children must not outlive it.
func Serve(engineAddress string, register func(ctx context.Context, server *grpc.Server) error) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening on a loopback port: %w", err)
	}
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessageSize), grpc.MaxSendMsgSize(maxMessageSize))
	healthpb.RegisterHealthServer(server, health.NewServer())
	if err := register(ctx, server); err != nil {
		return err
	}
	if engineAddress != "" {
		go WatchEngine(ctx, engineAddress, cancel)
	}
	go func() {
		<-ctx.Done()
		stop(server)
	}()
	fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

// stop lets running calls end, but not for long: they have been cancelled already.
func stop(server *grpc.Server) {
	done := make(chan struct{})
	go func() { server.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		server.Stop()
	}
}

// WatchEngine calls gone once the engine at address no longer answers: an engine that was killed
// leaves no other trace. It looks every 2 seconds, twice before it decides.
func WatchEngine(ctx context.Context, address string, gone func()) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for missed := 0; missed < 2; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		call, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := client.Check(call, &healthpb.HealthCheckRequest{})
		cancel()
		// An engine without a health service answers too. One that is merely slow is not gone.
		if status.Code(err) == codes.Unavailable {
			missed++
		} else {
			missed = 0
		}
	}
	gone()
}
