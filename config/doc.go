// Package config is the TOML file as data: it loads, fills in defaults and
// validates, and finds every problem at once, each with its place in the file.
package config
