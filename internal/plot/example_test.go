package plot_test

import (
	"bytes"
	"fmt"

	"github.com/spillway-lb/spillway/internal/plot"
)

func Example() {
	seconds := []float64{0, 10, 20}
	f := plot.Figure{Title: "web", X: "seconds", Panels: []plot.Panel{{
		Title: "requests per second",
		Lines: []plot.Line{
			{Name: "near", X: seconds, Y: []float64{0, 80, 60}, Look: plot.Area},
			{Name: "demand", X: seconds, Y: []float64{0, 90, 60}, Color: plot.Ink},
		},
	}}}
	var b bytes.Buffer
	if err := f.Write(&b, plot.SVG); err != nil {
		fmt.Println(err)
	}
	fmt.Println(bytes.HasPrefix(b.Bytes(), []byte("<svg ")), bytes.Contains(b.Bytes(), []byte(">demand<")))
	// Output: true true
}
