package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

const credentialsMethod = "/moby.filesync.v1.Auth/Credentials"

// session is BuildKit's way of asking back during a build. Over a connection that it is given it
// calls us; what it may ask here is the credentials for the registries of base images.
type session struct {
	id     string
	server *grpc.Server
	conn   net.Conn
}

func openSession(ctx context.Context, d *daemon, known map[string]credentials) (*session, error) {
	var random [12]byte
	_, _ = rand.Read(random[:])
	s := &session{id: hex.EncodeToString(random[:])}
	conn, err := d.upgrade(ctx, "/session", "h2c", http.Header{
		"X-Docker-Expose-Session-Uuid":        {s.id},
		"X-Docker-Expose-Session-Name":        {"pulumi"},
		"X-Docker-Expose-Session-Grpc-Method": {"/grpc.health.v1.Health/Check", credentialsMethod},
	})
	if err != nil {
		return nil, err
	}
	s.conn = conn
	s.server = grpc.NewServer(grpc.UnknownServiceHandler(answerCredentials(known)))
	healthpb.RegisterHealthServer(s.server, health.NewServer())
	go func() { _ = s.server.Serve(&oneConn{conn: conn, closed: make(chan struct{})}) }()
	return s, nil
}

func (s *session) close() {
	// Closes the connection first: a server whose peer never spoke would wait for it.
	_ = s.conn.Close()
	s.server.Stop()
}

// upgrade turns a request into a raw connection.
func (d *daemon) upgrade(ctx context.Context, path, protocol string, header http.Header) (net.Conn, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker"+d.prefix+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, fmt.Errorf("unable to upgrade to %s, received %d", protocol, res.StatusCode)
	}
	return bufferedConn{conn, reader}, nil
}

// bufferedConn is a connection of which a reader may already have read ahead.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// oneConn is a listener that accepts a single connection, once.
type oneConn struct {
	conn   net.Conn
	taken  bool
	mu     sync.Mutex
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	first := !l.taken
	l.taken = true
	l.mu.Unlock()
	if first {
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// answerCredentials answers CredentialsRequest{host = 1} with CredentialsResponse{username = 1,
// secret = 2}; both are read and written through the unknown fields of an empty message.
func answerCredentials(known map[string]credentials) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		if method != credentialsMethod {
			return status.Errorf(codes.Unimplemented, "unknown method %s", method)
		}
		request := &emptypb.Empty{}
		if err := stream.RecvMsg(request); err != nil && err != io.EOF {
			return err
		}
		host := ""
		eachBytes(request.ProtoReflect().GetUnknown(), func(field protowire.Number, value []byte) {
			if field == 1 {
				host = string(value)
			}
		})
		if host == "registry-1.docker.io" {
			host = dockerHub
		}
		c := known[host]
		username, secret := c.Username, c.Password
		if c.IdentityToken != "" {
			username, secret = "", c.IdentityToken
		}
		var encoded []byte
		encoded = protowire.AppendTag(encoded, 1, protowire.BytesType)
		encoded = protowire.AppendString(encoded, username)
		encoded = protowire.AppendTag(encoded, 2, protowire.BytesType)
		encoded = protowire.AppendString(encoded, secret)
		response := &emptypb.Empty{}
		response.ProtoReflect().SetUnknown(encoded)
		return stream.SendMsg(response)
	}
}
