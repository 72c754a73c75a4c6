//go:build unix

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// An Heir is this process, as the successor of another.
type Heir struct {
	// Sockets are what the predecessor listens on.
	Sockets []Socket
	known   json.RawMessage
	wire    wire
}

// Inherit returns what a predecessor has for this process; nil: nobody has started it
// as a successor. It is to be called once, early.
func Inherit() (*Heir, error) {
	value := os.Getenv(envWire)
	if value == "" {
		return nil, nil
	}
	_ = os.Unsetenv(envWire) // it is for nobody else
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q: want a descriptor", envWire, value)
	}
	syscall.CloseOnExec(fd)
	w, err := wireOf(os.NewFile(uintptr(fd), envWire))
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", envWire, value, err)
	}
	w.within(sendTimeout)
	m, err := w.receive()
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("the process to be replaced: %w", err)
	}
	w.within(0)
	return &Heir{Sockets: m.Sockets, known: m.State, wire: w}, nil
}

// Known puts into v what the predecessor has said at the beginning.
func (h *Heir) Known(v any) error { return json.Unmarshal(h.known, v) }

// Prepared tells the predecessor that this process could serve, and waits for what it
// knows, which is put into state.
func (h *Heir) Prepared(ctx context.Context, state any) error {
	stop := context.AfterFunc(ctx, func() { h.wire.within(time.Nanosecond) })
	defer stop()
	err := h.wire.send(message{Prepared: true})
	var m message
	if err == nil {
		m, err = h.wire.receive()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("the process to be replaced has given up: %w", err)
	}
	return json.Unmarshal(m.State, state)
}

// Serving tells the predecessor that this process accepts connections, so that it
// stops doing so. An error means that it has gone already.
func (h *Heir) Serving() error {
	return errors.Join(h.wire.send(message{Serving: true}), h.wire.Close())
}

// Fail tells the predecessor why this process cannot take its place.
func (h *Heir) Fail(why error) {
	h.wire.within(sendTimeout)
	_ = h.wire.send(message{Failed: why.Error()})
	_ = h.wire.Close()
}
