package config_test

import (
	"os"
	"strings"
	"testing"
)

func TestAServiceOverTLSHasTheDefaultsOfOneWithout(t *testing.T) {
	for _, c := range []struct{ listener, service, check string }{
		{"HTTP", "HTTPS", "HTTPS"},
		{"HTTPS", "HTTPS", "HTTPS"},
		{"TCP", "SSL", "SSL"},
		{"SSL", "SSL", "SSL"},
	} {
		tls := ""
		if c.listener == "HTTPS" || c.listener == "SSL" {
			tls = `tls = { certificates = [{ cert_file = "testdata/tls/localhost.pem", key_file = "testdata/tls/localhost.key" }] }`
		}
		file := parse(t, `
[[listener]]
listen = ":1"
protocol = "`+c.listener+`"
service = "s"
`+tls+`
[[service]]
name = "s"
protocol = "`+c.service+`"
endpoints = ["a:1"]
health_check = {}
`)
		s := &file.Services[0]
		http := c.service == "HTTPS"
		if s.HealthCheck.Type != c.check || (s.HealthCheck.RequestPath == "/") != http || (s.Panic == "closed") != http || (s.KeepaliveTimeout != 0) != http {
			t.Errorf("%s behind %s: %+v with %+v", c.service, c.listener, s, s.HealthCheck)
		}
		if file.TLSServiceOf(&file.Listeners[0]) != s {
			t.Errorf("%s behind %s is not known to speak TLS", c.service, c.listener)
		}
	}
}

func TestTheFilesOfEndpointTLSAreReadWithTheConfiguration(t *testing.T) {
	file := parse(t, `
[[listener]]
listen = ":1"
service = "s"
[[service]]
name = "s"
protocol = "HTTPS"
endpoints = ["unix:/run/s.sock"]
[service.tls]
server_name = "localhost"
ca_file = "testdata/tls/localhost.pem"
cert_file = "testdata/tls/localhost.pem"
key_file = "testdata/tls/localhost.key"
`)
	s := file.Services[0].TLS
	for name, got := range map[string][]byte{"localhost.pem": s.CA, "localhost.key": s.Key} {
		want, err := os.ReadFile("testdata/tls/" + name)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: read %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
	if string(s.Cert) != string(s.CA) {
		t.Error("the certificate differs from its file")
	}
}

func TestTrustInAnybodyIsAWarning(t *testing.T) {
	file := parse(t, `
[[listener]]
listen = ":1"
service = "s"
[[service]]
name = "s"
protocol = "HTTPS"
endpoints = ["a:1"]
tls = { insecure_skip_verify = true }
`)
	if len(file.Warnings) != 1 || file.Warnings[0].Line != 9 || !strings.Contains(file.Warnings[0].Key, "insecure_skip_verify") {
		t.Errorf("warnings %v, want one about line 9", file.Warnings)
	}
}
