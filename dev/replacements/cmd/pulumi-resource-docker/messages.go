package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"appkata-mqtt/toolchain/internal/plugin"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a line of the daemon's progress stream.
type message struct {
	Stream      string          `json:"stream"`
	Status      string          `json:"status"`
	Progress    string          `json:"progress"`
	ID          string          `json:"id"`
	Aux         json.RawMessage `json:"aux"`
	ErrorDetail *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errorDetail"`
}

// follow shows a progress stream as the resource's status, to its end or to the first error in it.
// onAux reads the messages that are not for the eye and gives a line for those that it knows.
func (p *provider) follow(
	ctx context.Context, urn string, stream io.Reader, onAux func(json.RawMessage) string,
) error {
	decoder := json.NewDecoder(stream)
	for {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("error parsing Docker output: %w", err)
		}
		line, err := m.line(onAux)
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line != "" {
			p.Host.LogStatus(ctx, plugin.Info, urn, line)
		}
	}
}

func (m message) line(onAux func(json.RawMessage) string) (string, error) {
	if e := m.ErrorDetail; e != nil {
		switch {
		case e.Code == 401:
			return "", errors.New("authentication is required")
		case e.Message == "EOF":
			return "", errors.New("EOF\n: This error is most likely due to incorrect or mismatched " +
				"registry credentials. Please double check you are using the correct credentials " +
				"and registry name")
		}
		return "", errors.New(e.Message)
	}
	switch {
	case m.ID == "moby.buildkit.trace":
		var encoded []byte
		if json.Unmarshal(m.Aux, &encoded) != nil {
			return "", nil
		}
		return traceText(encoded), nil
	case m.Aux != nil && onAux != nil:
		return onAux(m.Aux), nil
	case m.Progress != "":
		return m.Status + " " + m.Progress, nil
	case m.Stream != "":
		return m.Stream, nil
	}
	return m.Status, nil
}

// traceText gives the readable parts of a BuildKit status (moby.buildkit.v1.StatusResponse):
// steps with their errors, what is under way in them, what they print, and warnings.
func traceText(encoded []byte) string {
	var lines []string
	eachBytes(encoded, func(field protowire.Number, part []byte) {
		switch field {
		case 1: // Vertex: name 3, error 7
			lines = append(lines, fields(part, 3, "%s", 7, "error: %s")...)
		case 2: // VertexStatus: ID 1
			lines = append(lines, fields(part, 1, "%s", 0, "")...)
		case 3: // VertexLog: msg 4
			lines = append(lines, fields(part, 4, "%s", 0, "")...)
		case 4: // VertexWarning: short 3
			lines = append(lines, fields(part, 3, "%s", 0, "")...)
		}
	})
	return strings.Join(lines, "\n")
}

func fields(part []byte, a protowire.Number, formA string, b protowire.Number, formB string) []string {
	var out []string
	eachBytes(part, func(field protowire.Number, value []byte) {
		switch {
		case len(value) == 0:
		case field == a:
			out = append(out, fmt.Sprintf(formA, value))
		case field == b:
			out = append(out, fmt.Sprintf(formB, value))
		}
	})
	return out
}

// eachBytes visits the length-delimited fields of an encoded protobuf message.
func eachBytes(encoded []byte, visit func(protowire.Number, []byte)) {
	for len(encoded) > 0 {
		field, kind, n := protowire.ConsumeTag(encoded)
		if n < 0 {
			return
		}
		encoded = encoded[n:]
		if kind == protowire.BytesType {
			value, n := protowire.ConsumeBytes(encoded)
			if n < 0 {
				return
			}
			visit(field, value)
			encoded = encoded[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(field, kind, encoded); n < 0 {
			return
		}
		encoded = encoded[n:]
	}
}
