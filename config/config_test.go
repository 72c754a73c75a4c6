package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

func TestFullFileLoadsWithoutAWarning(t *testing.T) {
	c, err := config.Load("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		t.Error(w)
	}
	var b bytes.Buffer
	if err := c.Print(&b); err != nil { t.Fatal(err) }
	t.Log(b.String())
}
var _ = os.Args; var _=filepath.Join; var _=reflect.DeepEqual; var _=strings.Cut
