//go:build linux

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// The load of the TLS scenarios: a goroutine for each client, for crypto/tls has no other way. It takes more of the load's core than an
// event loop would, none of which the proxy is charged with. Clients speak TLS 1.3 and never resume a session.

const benchName = "bench.example"

// writeCertificate writes a certificate of the kind that most sites have, ECDSA P-256, with its key, in one file.
func writeCertificate(dir string) (file string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: benchName}, DNSNames: []string{benchName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	file = filepath.Join(dir, "bench.pem")
	return file, os.WriteFile(file, text, 0o600)
}

func dialTLS(addr string) (*tls.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, checkTimeout)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(totalTimeout))
	return tls.Client(conn, &tls.Config{
		ServerName: benchName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519}, // that all proxies know: post-quantum ones take more
	}), nil
}

// A tlsLoad is clients that speak TLS.
type tlsLoad struct {
	addr    string
	fresh   bool // a handshake for every request
	request []byte
	ops     atomic.Uint64
	left    atomic.Int64 // operations that are still to be begun
	ended   atomic.Bool

	mu      sync.Mutex
	latency histogram
	errors  uint64
	first   string
}

func runTLSLoad(spec loadSpec) (result, error) {
	sc := spec.Scenario
	l := &tlsLoad{addr: spec.Addr, fresh: sc.Kind == tlsFresh, request: request(sc.Path, 0, sc.Kind == tlsFresh)}
	l.left.Store(1 << 62)
	if spec.Total > 0 {
		l.left.Store(int64(spec.Total))
	}
	var clients sync.WaitGroup
	begun := time.Now()
	for range sc.Conns {
		clients.Go(l.client)
	}
	if spec.Total > 0 {
		clients.Wait()
		return result{Ops: l.ops.Load(), AllOps: l.ops.Load(), Errors: l.errors, First: l.first, Wall: time.Since(begun)}, nil
	}
	time.Sleep(spec.Warmup)
	l.mu.Lock()
	l.latency.reset()
	l.mu.Unlock()
	ops := l.ops.Load()
	proxy, load, machine := sampleCPU(spec.ProxyPIDs), sampleCPU(spec.LoadPIDs), machineBusy()
	begun = time.Now()
	time.Sleep(spec.Duration)
	res := result{
		Ops: l.ops.Load() - ops, Wall: time.Since(begun),
		ProxyCPU: sampleCPU(spec.ProxyPIDs).since(proxy), LoadCPU: sampleCPU(spec.LoadPIDs).since(load),
	}
	res.RestCPU = max(machineBusy()-machine-res.ProxyCPU-res.LoadCPU, 0)
	l.ended.Store(true)
	clients.Wait()
	res.AllOps, res.Errors, res.First = l.ops.Load(), l.errors, l.first
	res.P50, res.P99 = time.Duration(l.latency.quantile(0.50)), time.Duration(l.latency.quantile(0.99))
	return res, nil
}

// client does one operation after the other.
func (l *tlsLoad) client() {
	var conn *tls.Conn
	var in *bufio.Reader
	drop := func() {
		if conn != nil {
			conn.NetConn().Close() // without a farewell: that would be more work for nobody
			conn = nil
		}
	}
	defer drop()
	for !l.ended.Load() && l.left.Add(-1) >= 0 {
		started := time.Now()
		err := func() (err error) {
			if conn == nil {
				if conn, err = dialTLS(l.addr); err != nil {
					return err
				}
				in = bufio.NewReader(conn)
			}
			if _, err = conn.Write(l.request); err != nil {
				return err
			}
			return readResponse(in)
		}()
		l.count(time.Since(started), err)
		if err != nil || l.fresh {
			drop()
		}
	}
}

func (l *tlsLoad) count(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.ops.Add(1)
		l.latency.add(took.Nanoseconds())
		return
	}
	if l.errors++; l.errors == 1 {
		l.first = err.Error()
	}
	if l.errors >= maxErrors {
		l.ended.Store(true)
	}
}

// readResponse reads a response with a length, and forgets it.
func readResponse(in *bufio.Reader) error {
	length := -1
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case n == 0 && string(line[:min(13, len(line))]) != "HTTP/1.1 200 ":
			return fmt.Errorf("%w: %q", errNotOK, line)
		case len(line) > 2:
			length = max(length, contentLength(line))
			continue
		case length < 0:
			return errNoLength
		}
		_, err = io.CopyN(io.Discard, in, int64(length))
		return err
	}
}
