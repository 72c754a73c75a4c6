package main

import (
	"bytes"
	"fmt"
	"strings"
)

const intro = `<!-- Generated from the comments in config/*.go by "go generate ./config". Do not edit. -->

# The configuration file

Spillway reads one [TOML](https://toml.io/en/v1.0.0) file. This is the smallest useful one:

` + "```toml\n%s```" + `

` + "`spillway check -c FILE`" + ` reports every problem of a file at once as ` + "`file:line: key: message`" + `, and with ` + "`--print`" + `
shows it with the defaults filled in. A key that is not known, and a setting that another one would cause to be
ignored, are errors.

- A **duration** is a string with a unit: ` + "`\"250ms\"`, `\"30s\"`, `\"1h30m\"`" + `. A plain number is refused.
- **Words** such as ` + "`ROUND_ROBIN`" + ` are read in upper or lower case.
- ` + "`${NAME}`" + ` inside any string stands for an environment variable, which must be set; ` + "`$${`" + ` stands for ` + "`${`" + `.
- An empty string is as if the key were not there.
`

// render writes the reference.
func render(sections []section, smallest, full string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, intro, smallest)
	for _, s := range sections {
		title := s.header
		if strings.HasPrefix(title, "[") {
			title = "`" + title + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", title, s.doc)
		for _, k := range s.keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, k.kind, cell(k.fallback), cell(k.meaning))
		}
	}
	fmt.Fprintf(&b, "\n## A file with everything\n\n```toml\n%s```\n", full)
	return b.Bytes()
}

// cell keeps a text from ending its cell, and a cell from being empty.
func cell(text string) string {
	if text == "" {
		return "–"
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
