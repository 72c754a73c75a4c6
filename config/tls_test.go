package config_test

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// httpsWith is a file with these certificates.
func httpsWith(pairs ...testkit.Pair) string {
	var all []string
	for _, p := range pairs {
		all = append(all, fmt.Sprintf("  { cert_file = %q, key_file = %q },\n", p.CertFile, p.KeyFile))
	}
	return "[[listener]]\nlisten = \":443\"\nprotocol = \"https\"\nservice = \"web\"\n[listener.tls]\ncertificates = [\n" +
		strings.Join(all, "") + "]\n[[service]]\nname = \"web\"\nendpoints = [\"a:1\"]\n"
}

func TestCertificatesThatClientsWillNotLikeAreWarnedOf(t *testing.T) {
	c := testkit.NewCertificates(t)
	readable := c.Server("a.example.com")
	if err := os.Chmod(readable.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, pairs := range map[string][]testkit.Pair{
		"key: certificates.cert_file: warning: the certificate has expired: it was good until 2001-02-03 04:05 UTC": {c.Issue(testkit.CertificateRequest{
			Names: []string{"a"}, NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2001, 2, 3, 4, 5, 0, 0, time.UTC)})},
		"key: certificates.cert_file: warning: the certificate is not good before 2101-02-03 04:05 UTC": {c.Issue(testkit.CertificateRequest{
			Names: []string{"a"}, NotBefore: time.Date(2101, 2, 3, 4, 5, 0, 0, time.UTC), NotAfter: time.Date(2102, 1, 1, 0, 0, 0, 0, time.UTC)})},
		"key: certificates.cert_file: warning: the certificate has no names (SAN): clients refuse it":        {c.Server()},
		"key: certificates.cert_file: warning: the certificate is not one for servers: clients refuse it":    {c.Client("a")},
		"key: certificates.cert_file: warning: no client gets it: certificates before it have all of its na": {c.Server("a", "b"), c.Server("b")},
		"key: certificates.key_file: warning: everybody on this machine can read":                            {readable},
		"": {c.Server("a", "b"), c.Server("b", "c"), c.Issue(testkit.CertificateRequest{Names: []string{"a"}, RSA: true})},
	} {
		if runtime.GOOS == "windows" && strings.Contains(want, "key_file") {
			continue
		}
		got, err := config.Parse("f", []byte(httpsWith(pairs...)))
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			if len(got.Warnings) > 0 {
				t.Errorf("good certificates: %v", got.Warnings)
			}
			continue
		}
		line := fmt.Sprintf("f:%d: listener.tls.", 6+len(pairs))
		if len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0].Error(), line+strings.TrimPrefix(want, "key: ")) {
			t.Errorf("got %v, want %s%s", got.Warnings, line, want)
		}
	}
}

func TestTLSIsPrintedAsItIsRead(t *testing.T) {
	c := testkit.NewCertificates(t)
	first, err := config.Parse("f", []byte(strings.Replace(httpsWith(c.Server("a"), c.Server("b")), "[listener.tls]",
		fmt.Sprintf("[listener.tls]\nmin_version = \"1.3\"\nclient_auth = \"require\"\nclient_ca_file = %q", c.CAFile), 1)))
	if err != nil {
		t.Fatal(err)
	}
	v := first.Listeners[0]
	if v.Protocol != "HTTPS" || v.TLS.ClientAuth != "REQUIRE" || v.TLS.MinVersion != "1.3" || !v.IsHTTP() || !v.IsTLS() || first.Services[0].Protocol != "HTTP" {
		t.Errorf("read as %+v, %+v", v, v.TLS)
	}
	var printed bytes.Buffer
	if err := first.Print(&printed); err != nil {
		t.Fatal(err)
	}
	second, err := config.Parse("f", printed.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, printed.String())
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("printed as\n%s", printed.String())
	}
}
