// Package config is the TOML file as data: it loads, fills in defaults and
// validates, and holds no socket, file or goroutine.
//
//	spillway.toml ─► locate ─► toml.Decode ─► decode ─► spell ─► fillIn ─► check ─► *Config
//	                   │                        │         │                  │
//	                   ▼                        ▼         ▼                  ▼
//	                 line of              unknown keys, wrong types    contradictions
//	                every key ───────────► file:line: key: message ◄─────────┘
//
// A file means what it says. A key that is not known, a value that is not
// allowed and a setting that would be ignored beside another are errors, never
// silence. All problems of a file are reported at once, sorted by line, and the
// second problem that only follows from a first is left out. Keys and values
// that belong to the format but not yet to this version are told apart from
// misspelled ones; the table in later.go lists them.
//
// A string may hold ${NAME} for an environment variable; "$${" stands for "${".
// Variables are put in after parsing, so their text is never read as TOML.
//
// The comments on the fields of Config and its sections are the reference:
// docs/config.md is generated from them. A default that stands in backquotes
// there is tested.
package config

//go:generate go run ../internal/configdoc -o ../docs/config.md
