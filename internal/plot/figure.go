package plot

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A Figure is one picture.
type Figure struct {
	Title  string
	X      string // what the time axis is of, such as "seconds"
	Panels []Panel
}

// A Panel is lines of one unit.
type Panel struct {
	Title string // with the unit
	// Least is how far up the axis reaches at least. It begins at 0.
	Least float64
	// Lines are drawn in their order, the later over the earlier.
	Lines []Line
}

// A Line is values over time. X and Y are of one length; what is not finite in
// them counts as 0. X ascends.
type Line struct {
	Name string // in the legend; "": not there
	X, Y []float64
	// Color is a number: lines of one number look the same in every panel. Ink is
	// black.
	Color int
	Look  Look
}

// Ink is the colour of lines that are nobody's.
const Ink = -1

// Look is how a line is drawn.
type Look uint8

const (
	Solid  Look = iota
	Dashed      // such as a limit
	Area        // filled down to 0, over what is drawn before it
)

// A Format is one that Write can write.
type Format uint8

const (
	SVG Format = iota
	PNG
)

// FormatOf goes by the end of a file's name.
func FormatOf(file string) (Format, error) {
	switch ext := strings.ToLower(filepath.Ext(file)); ext {
	case ".svg":
		return SVG, nil
	case ".png":
		return PNG, nil
	}
	return SVG, fmt.Errorf("%s: its name must end in .svg or .png", file)
}
