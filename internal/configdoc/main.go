// Command configdoc writes docs/config.md, the reference of the file, from the
// comments on the fields of package config. It is run by go generate:
//
//	type Listener struct {
//		// How long a client may take …          the key's meaning, and behind
//		// Default: `60s`.                        "Default:" its default
//		ClientTimeout Duration `toml:"client_timeout"`
//	}
//
// A test of this package fails when the reference is stale or when a default in
// backquotes is not the one that the smallest file gets.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("o", "../docs/config.md", "file to write")
	dir := flag.String("config", ".", "directory of package config")
	flag.Parse()
	text, err := reference(*dir)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, text, 0o644); err != nil {
		log.Fatal(err)
	}
}

// reference returns the text of docs/config.md for the package in dir.
func reference(dir string) ([]byte, error) {
	structs, err := readStructs(dir)
	if err != nil {
		return nil, err
	}
	smallest, err := os.ReadFile(filepath.Join(dir, "testdata", "smallest.toml"))
	if err != nil {
		return nil, err
	}
	full, err := os.ReadFile(filepath.Join(dir, "testdata", "full.toml"))
	if err != nil {
		return nil, err
	}
	return render(sectionsOf(structs), string(smallest), string(full)), nil
}
