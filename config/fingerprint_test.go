package config_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

func TestFingerprintIsThatOfTheMeaning(t *testing.T) {
	const file = "[[listener]]\nlisten = \":8080\"\nservice = \"web\"\n[[service]]\nname = \"web\"\nendpoints = [\"10.0.0.1:80\"]\n"
	parse := func(text string) string {
		t.Helper()
		cfg, err := config.Parse("a.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Fingerprint()
	}
	want := parse(file)
	for name, text := range map[string]string{
		"a comment":      "# hello\n" + file,
		"a default":      file + "timeout = \"30s\"\n",
		"another host":   "[proxy]\nid = \"other\"\n" + file,
		"another engine": "[proxy]\nengine = \"stream\"\n" + file,
	} {
		if got := parse(text); got != want {
			t.Errorf("%s makes %s of %s", name, got, want)
		}
	}
	for name, text := range map[string]string{
		"an endpoint": strings.Replace(file, "10.0.0.1", "10.0.0.2", 1),
		"a timeout":   file + "timeout = \"31s\"\n",
	} {
		if parse(text) == want {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}
