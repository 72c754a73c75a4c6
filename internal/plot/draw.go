package plot

import (
	"html"
	"io"
	"math"
	"slices"
	"strconv"

	chart "github.com/wcharczuk/go-chart/v2"
	"github.com/wcharczuk/go-chart/v2/drawing"
)

// palette has colours that people tell apart who see few of them (Okabe and Ito,
// 2008).
var palette = []string{"0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00", "999999", "f0e442"}

func colour(n int) drawing.Color {
	if n < 0 {
		return drawing.ColorFromHex("222222")
	}
	return drawing.ColorFromHex(palette[n%len(palette)])
}

// draw makes the picture of one panel.
func (f *Figure) draw(w io.Writer, i int, format Format) error {
	p := &f.Panels[i]
	// go-chart writes text into SVG as it is.
	text := html.EscapeString
	render := chart.SVG
	if format == PNG {
		text = func(s string) string { return s }
		render = chart.PNG
	}
	title, x := p.Title, ""
	if i == 0 && f.Title != "" {
		title = f.Title + ": " + title
	}
	if i == len(f.Panels)-1 {
		x = f.X
	}
	times, values := f.times(), p.values()
	c := chart.Chart{
		Title:      text(title),
		TitleStyle: chart.Style{FontSize: 11},
		Width:      width,
		Height:     panelHeight,
		Background: chart.Style{Padding: chart.Box{Top: 36, Left: 36, Right: 190, Bottom: 8}},
		XAxis:      chart.XAxis{Name: text(x), Range: times, Ticks: ticks(times, 12)},
		YAxis:      chart.YAxis{AxisType: chart.YAxisSecondary, Range: values, Ticks: ticks(values, 5), GridMajorStyle: gridStyle},

		YAxisSecondary: chart.HideYAxis(), // or its numbers are written, far outside
	}
	for _, l := range p.Lines {
		c.Series = append(c.Series, l.series())
	}
	c.Elements = []chart.Renderable{p.legend(text)}
	return c.Render(render, w)
}

var gridStyle = chart.Style{StrokeColor: drawing.ColorFromHex("dddddd"), StrokeWidth: 1}

func (l *Line) series() chart.Series {
	style := chart.Style{StrokeColor: colour(l.Color), StrokeWidth: 2}
	switch l.Look {
	case Dashed:
		style.StrokeDashArray = []float64{6, 4}
		style.StrokeWidth = 1.5
	case Area:
		style.FillColor = colour(l.Color)
		style.StrokeWidth = 1
	}
	return chart.ContinuousSeries{Style: style, YAxis: chart.YAxisPrimary, XValues: finite(l.X), YValues: finite(l.Y)}
}

func finite(values []float64) []float64 {
	values = slices.Clone(values)
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			values[i] = 0
		}
	}
	return values
}

// times is the axis of all panels.
func (f *Figure) times() *chart.ContinuousRange {
	r := &chart.ContinuousRange{}
	for _, p := range f.Panels {
		for _, l := range p.Lines {
			for _, x := range finite(l.X) {
				r.Min, r.Max = min(r.Min, x), max(r.Max, x)
			}
		}
	}
	if r.Max == r.Min {
		r.Max++
	}
	return r
}

// values is a panel's axis, with some air above the highest value.
func (p *Panel) values() *chart.ContinuousRange {
	highest := p.Least
	for _, l := range p.Lines {
		for _, y := range finite(l.Y) {
			highest = max(highest, y)
		}
	}
	if highest <= 0 {
		highest = 1
	}
	return &chart.ContinuousRange{Max: highest * 1.08}
}

// legend lists a panel's lines on its right, the topmost first.
func (p *Panel) legend(text func(string) string) chart.Renderable {
	return func(r chart.Renderer, canvas chart.Box, defaults chart.Style) {
		const row, swatch = 17, 22
		chart.Style{FontSize: 9, FontColor: colour(Ink), Font: defaults.GetFont()}.WriteTextOptionsToRenderer(r)
		x, y := canvas.Right+62, canvas.Top+8
		for _, l := range slices.Backward(p.Lines) {
			if l.Name == "" {
				continue
			}
			if y > canvas.Bottom {
				r.Text("…", x, y)
				return
			}
			r.SetStrokeColor(colour(l.Color))
			r.SetStrokeWidth(3)
			r.SetStrokeDashArray(nil)
			if l.Look == Dashed {
				r.SetStrokeDashArray([]float64{6, 4})
			}
			r.MoveTo(x, y-4)
			r.LineTo(x+swatch, y-4)
			r.Stroke()
			r.Text(text(l.Name), x+swatch+8, y)
			y += row
		}
	}
}

// ticks marks whole multiples of 1, 2 or 5 times a power of ten, at most n of
// them and the beginning. The end is a mark without a label, for go-chart takes
// its axis to reach from the first mark to the last.
func ticks(r *chart.ContinuousRange, n int) []chart.Tick {
	step := math.Pow(10, math.Floor(math.Log10((r.Max-r.Min)/float64(n))))
	for _, times := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (r.Max-r.Min)/step <= float64(n) {
			break
		}
		step *= times
	}
	var all []chart.Tick
	for i := math.Ceil(r.Min / step); i*step <= r.Max; i++ {
		v := i * step
		all = append(all, chart.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 6, 64)})
	}
	return append(all, chart.Tick{Value: r.Max})
}
