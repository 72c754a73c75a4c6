package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A table is text in columns as wide as their widest cell. Cells that are not
// strings are numbers, and stand to the right.
type table struct {
	rows [][]cell
}

type cell struct {
	text  string
	right bool
	// unseen is the bytes of text that colour it and take no room.
	unseen int
}

// A percent is a share from 0 to 1.
type percent float64

func (p percent) String() string { return fmt.Sprintf("%.1f %%", 100*float64(p)) }

// A right is a string that stands to the right, as the head of numbers does.
type right string

func (t *table) row(cells ...any) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case string:
			row[i] = cell{text: c}
		case cell:
			row[i] = c
		default:
			row[i] = cell{text: fmt.Sprint(c), right: true}
		}
	}
	t.rows = append(t.rows, row)
}

func (c cell) width() int { return utf8.RuneCountInString(c.text) - c.unseen }

// String returns the table, two blanks between columns and none at line ends. A
// column without a text takes no room.
func (t *table) String() string {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], c.width())
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			if line.Len() > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-c.width())
			if c.right {
				line.WriteString(pad + c.text)
			} else {
				line.WriteString(c.text + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
