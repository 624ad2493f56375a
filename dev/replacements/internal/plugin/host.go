// Package plugin holds what every replacement plugin needs to speak with the engine: the gRPC
// server whose port goes to stdout, the engine's log, and property values on the wire.
package plugin

import (
	"context"
	"fmt"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Severities of the engine's log, by the names they are written with here.
const (
	Debug   = pulumirpc.LogSeverity_DEBUG
	Info    = pulumirpc.LogSeverity_INFO
	Warning = pulumirpc.LogSeverity_WARNING
	Error   = pulumirpc.LogSeverity_ERROR
)

// Host is the engine that started this plugin. A Host without an engine (a plugin started by
// hand) swallows what is logged to it.
type Host struct {
	mu     sync.Mutex
	conn   *grpc.ClientConn
	engine pulumirpc.EngineClient
}

// Attach makes address ("127.0.0.1:41234") the engine to log to, in place of any earlier one.
func (h *Host) Attach(address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connecting to the engine at %s: %w", address, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		_ = h.conn.Close()
	}
	h.conn, h.engine = conn, pulumirpc.NewEngineClient(conn)
	return nil
}

// Log writes a message that stays on the screen, next to the resource that urn names.
func (h *Host) Log(ctx context.Context, severity pulumirpc.LogSeverity, urn, message string) {
	h.send(ctx, &pulumirpc.LogRequest{Severity: severity, Urn: urn, Message: message})
}

// LogStatus writes a message that only shows in the resource's status column while it is worked on.
func (h *Host) LogStatus(ctx context.Context, severity pulumirpc.LogSeverity, urn, message string) {
	h.send(ctx, &pulumirpc.LogRequest{Severity: severity, Urn: urn, Message: message, Ephemeral: true})
}

func (h *Host) send(ctx context.Context, request *pulumirpc.LogRequest) {
	h.mu.Lock()
	engine := h.engine
	h.mu.Unlock()
	if engine == nil {
		return
	}
	// A lost log line must not fail a deployment.
	_, _ = engine.Log(ctx, request)
}
