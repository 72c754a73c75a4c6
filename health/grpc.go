package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// grpcChecker is the check of types GRPC and GRPC_WITH_TLS: grpc.health.v1.Health/Check must answer SERVING (spec.md
// §8.2). The call is made with net/http's HTTP/2 and two small messages, so that who uses this package has not to take
// all of gRPC with it.
type grpcChecker struct{ c Check }

const grpcMethod = "/grpc.health.v1.Health/Check"

func (g *grpcChecker) Check(ctx context.Context, addr string) Result {
	return attempt(ctx, g.c, addr, g.converse)
}

func (g *grpcChecker) converse(conn net.Conn, target string) error {
	scheme := "http"
	if g.c.overTLS() {
		scheme = "https"
	}
	req, err := http.NewRequest(http.MethodPost, scheme+"://"+g.c.authority(target)+grpcMethod, bytes.NewReader(grpcRequest(g.c.GRPCServiceName)))
	if err != nil {
		return err
	}
	req.Header = http.Header{
		"Content-Type": {"application/grpc"},
		"Te":           {"trailers"},
		"User-Agent":   {userAgent},
		"Grpc-Timeout": {strconv.FormatInt(max(g.c.Timeout.Milliseconds(), 1), 10) + "m"},
	}
	return overHTTP2(conn, req, judgeGRPC)
}

// grpcRequest is a HealthCheckRequest, in the frame of a gRPC message.
func grpcRequest(service string) []byte {
	message := make([]byte, 5, 16+len(service))
	if service != "" {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, service)
	}
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-5))
	return message
}

// judgeGRPC looks at the status of the call and at that of the service.
func judgeGRPC(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return verdict(fmt.Sprintf("status %d, want 200", resp.StatusCode))
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/grpc") {
		return verdict("not gRPC: its content type is " + quote([]byte(kind)))
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, matchWindow+1)) // trailers come with its end
	if err != nil {
		return err
	}
	if len(reply) > matchWindow {
		return verdict("the reply is no HealthCheckResponse: too long")
	}
	ended := resp.Trailer
	if resp.Header.Get("Grpc-Status") != "" {
		ended = resp.Header // a response of trailers only
	}
	if err := callError(ended); err != nil {
		return err
	}
	status, err := parseHealthReply(reply)
	switch {
	case err != nil:
		return verdict("the reply is no HealthCheckResponse: " + err.Error())
	case status != servingStatus:
		return verdict(servingName(status))
	}
	return nil
}

// callError says how the call ended, if not with OK.
func callError(ended http.Header) error {
	status := ended.Get("Grpc-Status")
	switch status {
	case "":
		return verdict("not gRPC: the response has no grpc-status")
	case "0":
		return nil
	}
	text := "grpc status " + codeName(status)
	if message, err := url.PathUnescape(ended.Get("Grpc-Message")); err == nil && message != "" {
		text += ": " + quote([]byte(message))
	}
	return verdict(text)
}

// codeNames are the codes of google.rpc.Code, from 0.
var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED",
}

func codeName(status string) string {
	if n, err := strconv.Atoi(status); err == nil && n >= 0 && n < len(codeNames) {
		return codeNames[n]
	}
	return quote([]byte(status))
}

// servingStatus is SERVING of grpc.health.v1.HealthCheckResponse.ServingStatus.
const servingStatus = 1

func servingName(status uint64) string {
	names := [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status]
	}
	return fmt.Sprintf("serving status %d", status)
}

var errNoMessage = errors.New("it is no protobuf message")

// parseHealthReply reads the one message of a reply: a HealthCheckResponse with its status, 0 if it says none.
func parseHealthReply(b []byte) (status uint64, err error) {
	switch {
	case len(b) < 5:
		return 0, errors.New("no message")
	case b[0] != 0:
		return 0, errors.New("compressed, which nobody asked for")
	case uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-5):
		return 0, errors.New("its length is wrong")
	}
	for b = b[5:]; len(b) > 0; {
		number, kind, n := consumeTag(b)
		if n < 0 {
			return 0, errNoMessage
		}
		b = b[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return 0, errNoMessage
		}
		b = b[n:]
	}
	return status, nil
}
