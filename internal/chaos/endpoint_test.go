//go:build linux

package chaos_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// endpointVariable has the host that an endpoint's process serves, at httpPort and
// tcpPort.
const (
	endpointVariable = "SPILLWAY_CHAOS_ENDPOINT"
	httpPort         = "18080"
	tcpPort          = "18081"
)

// serveEndpoint is an endpoint's process: over HTTP it says its name, over TCP it
// says it once and then what it hears. /mode?is=MODE changes how it behaves.
func serveEndpoint(host string) error {
	go func() { // it does not outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var mode atomic.Value
	mode.Store("")
	mux := http.NewServeMux()
	mux.HandleFunc("/mode", func(w http.ResponseWriter, r *http.Request) { mode.Store(r.FormValue("is")) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if mode.Load() == "flapping" && time.Now().UnixMilli()/1500%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch mode.Load() {
		case "slow":
			time.Sleep(3 * time.Second)
		case "wrong":
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, host)
	})
	streams, err := net.Listen("tcp", net.JoinHostPort(host, tcpPort))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := streams.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintln(c, host)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, httpPort))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return http.Serve(listener, mux)
}

// An endpoint is one of those processes. Only the operator's goroutine uses it.
type endpoint struct {
	t    *testing.T
	host string
	cmd  *exec.Cmd
	in   io.Closer
}

// start starts the process and waits until it serves.
func (e *endpoint) start() error {
	e.cmd = exec.Command(os.Args[0])
	e.cmd.Env = append(os.Environ(), endpointVariable+"="+e.host, "GOMAXPROCS=1")
	e.cmd.Stderr = os.Stderr
	in, err := e.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	e.in = in
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("endpoint %s did not start: %q, %w", e.host, line, err)
	}
	return nil
}

// kill is kill -9.
func (e *endpoint) kill() error {
	err := e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	_ = e.in.Close()
	return err
}

func (e *endpoint) freeze(on bool) error {
	if on {
		return e.cmd.Process.Signal(syscall.SIGSTOP)
	}
	return e.cmd.Process.Signal(syscall.SIGCONT)
}

// behave tells the process how to.
func (e *endpoint) behave(mode string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+net.JoinHostPort(e.host, httpPort)+"/mode?is="+mode, nil)
	if err != nil {
		return err
	}
	answer, err := direct.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// direct is for those who do not go through the proxy.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
