package plot

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
)

// The size of a panel, in pixels.
const (
	width       = 1000
	panelHeight = 260
)

// Write draws f. It needs a panel, and every panel a line; a line without values, or
// with more of one kind than of the other, is an error.
func (f *Figure) Write(w io.Writer, format Format) error {
	if len(f.Panels) == 0 {
		return errors.New("plot: a figure without a panel")
	}
	panels := make([][]byte, len(f.Panels))
	for i := range f.Panels {
		var b bytes.Buffer
		if err := f.Panels[i].validate(); err != nil {
			return fmt.Errorf("plot: panel %q: %w", f.Panels[i].Title, err)
		}
		if err := f.draw(&b, i, format); err != nil {
			return fmt.Errorf("plot: panel %q: %w", f.Panels[i].Title, err)
		}
		panels[i] = b.Bytes()
	}
	if format == SVG {
		return joinSVG(w, panels)
	}
	return joinPNG(w, panels)
}

func (p *Panel) validate() error {
	if len(p.Lines) == 0 {
		return errors.New("it has no line")
	}
	for _, l := range p.Lines {
		if len(l.X) == 0 || len(l.X) != len(l.Y) {
			return fmt.Errorf("line %q has %d times and %d values", l.Name, len(l.X), len(l.Y))
		}
	}
	return nil
}

// joinSVG puts pictures one above the other: an SVG may hold others.
func joinSVG(w io.Writer, panels [][]byte) error {
	height := panelHeight * len(panels)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d">`+"\n", width, height)
	for i, p := range panels {
		if err == nil {
			_, err = fmt.Fprintf(w, "<g transform=\"translate(0 %d)\">\n%s</g>\n", i*panelHeight, p)
		}
	}
	if err == nil {
		_, err = io.WriteString(w, "</svg>\n")
	}
	return err
}

func joinPNG(w io.Writer, panels [][]byte) error {
	all := image.NewRGBA(image.Rect(0, 0, width, panelHeight*len(panels)))
	for i, p := range panels {
		img, err := png.Decode(bytes.NewReader(p))
		if err != nil {
			return err
		}
		at := image.Rect(0, i*panelHeight, width, (i+1)*panelHeight)
		draw.Draw(all, at, img, img.Bounds().Min, draw.Src)
	}
	return png.Encode(w, all)
}
