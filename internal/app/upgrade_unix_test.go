//go:build unix

package app_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/app"
)

func TestAProcessThatIsToEndDoesNotGoOnForTheSakeOfAnUpgrade(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	p := runWith(t, oneListener+"endpoints = [\"127.0.0.1:1\"]\n", func(o *app.Options) {
		o.Successor = func() (*exec.Cmd, error) {
			defer close(started)
			return exec.Command("sleep", "60"), nil // is never prepared
		}
	})
	p.admin("/livez") // so it has begun
	failed := make(chan error, 1)
	go func() {
		_, err := p.Upgrade()
		failed <- err
	}()
	<-started
	p.stop()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("the upgrade ends with %v", err)
	}
	if log := p.log.String(); strings.Contains(log, "goes on") || !strings.Contains(log, "no upgrade: this process is to end") {
		t.Errorf("the log says:\n%s", log)
	}
}
