package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/plot"
)

func figure(lines ...plot.Line) *plot.Figure {
	return &plot.Figure{Title: "t", X: "seconds", Panels: []plot.Panel{{Title: "upper", Lines: lines}, {Title: "lower", Lines: lines, Least: 1}}}
}

func line(name string, y ...float64) plot.Line {
	l := plot.Line{Name: name, Y: y}
	for i := range y {
		l.X = append(l.X, float64(i))
	}
	return l
}

func draw(t *testing.T, f *plot.Figure, format plot.Format) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts returns what is written in an SVG, which must be well-formed.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var found []string
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := token.(xml.CharData); ok {
			if s := strings.TrimSpace(string(c)); s != "" {
				found = append(found, s)
			}
		}
	}
}

func TestAnSVGHasEveryPanelAndName(t *testing.T) {
	got := texts(t, draw(t, figure(line("near", 1, 2), line("<far> & away", 2, 1)), plot.SVG))
	for _, want := range []string{"t: upper", "lower", "seconds", "near", "<far> & away"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestAPNGIsAsLargeAsItsPanels(t *testing.T) {
	for n := 1; n <= 3; n++ {
		f := figure(line("a", 1, 2))
		f.Panels = slices.Repeat(f.Panels[:1], n)
		img, err := png.Decode(bytes.NewReader(draw(t, f, plot.PNG)))
		if err != nil {
			t.Fatal(err)
		}
		if size := img.Bounds().Size(); size.X != 1000 || size.Y != n*260 {
			t.Errorf("%d panels: %v", n, size)
		}
	}
}

func TestALineLeavesItsColour(t *testing.T) {
	l := line("", 5, 5)
	l.Look = plot.Area
	img, err := png.Decode(bytes.NewReader(draw(t, figure(l), plot.PNG)))
	if err != nil {
		t.Fatal(err)
	}
	r, g, b, _ := img.At(400, 150).RGBA()
	if r>>8 != 0x00 || g>>8 != 0x72 || b>>8 != 0xb2 {
		t.Errorf("inside an area it is %02x%02x%02x", r>>8, g>>8, b>>8)
	}
}

// Whatever the highest value is, it stays below the title, and the last one left of
// the legend.
func TestNothingIsDrawnBeyondTheAxes(t *testing.T) {
	for _, most := range []float64{99, 100, 101, 130, 199, 460, 999} {
		y := make([]float64, int(most))
		y[len(y)-1], y[len(y)/2] = most, most
		l := line("", y...)
		l.Look = plot.Area
		img, err := png.Decode(bytes.NewReader(draw(t, figure(l), plot.PNG)))
		if err != nil {
			t.Fatal(err)
		}
		blue := func(x, y int) bool { r, _, b, _ := img.At(x, y).RGBA(); return b>>8 > r>>8+64 }
		inside := 0
		for x := range 1000 {
			for y := range 260 {
				switch {
				case !blue(x, y):
				case y < 32 || x > 812:
					t.Fatalf("highest %v: the line is at %d, %d", most, x, y)
				default:
					inside++
				}
			}
		}
		if inside == 0 {
			t.Fatalf("highest %v: there is no line", most)
		}
	}
}

func TestOddValuesAreDrawn(t *testing.T) {
	for name, f := range map[string]*plot.Figure{
		"not finite":   figure(line("a", math.NaN(), math.Inf(1), math.Inf(-1), 3)),
		"all 0":        figure(line("a", 0, 0)),
		"one moment":   figure(line("a", 7)),
		"tiny":         figure(line("a", 1e-9, 2e-9)),
		"huge":         figure(line("a", 1e12, 2e12)),
		"many lines":   figure(slices.Repeat([]plot.Line{line("a", 1, 2)}, 40)...),
		"unknown look": figure(plot.Line{X: []float64{0, 1}, Y: []float64{0, 1}, Look: 9, Color: 99}),
	} {
		t.Run(name, func(t *testing.T) {
			texts(t, draw(t, f, plot.SVG))
			draw(t, f, plot.PNG)
		})
	}
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	for name, f := range map[string]*plot.Figure{
		"no panel":         {},
		"no line":          figure(),
		"no value":         figure(plot.Line{Name: "a"}),
		"X is not as long": figure(plot.Line{X: []float64{1}, Y: []float64{1, 2}}),
	} {
		if err := f.Write(io.Discard, plot.SVG); err == nil || !strings.HasPrefix(err.Error(), "plot: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAxesCountInRoundNumbers(t *testing.T) {
	for _, most := range []float64{0.37, 1, 9, 60, 123, 450, 99999} {
		y := make([]float64, 1000)
		y[500] = most
		var last float64
		marks := 0
		for _, s := range texts(t, draw(t, figure(line("", y...)), plot.SVG)) {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				continue // a word
			}
			marks++
			last = v
			digits := strings.Trim(strings.ReplaceAll(strconv.FormatFloat(v, 'e', 6, 64), ".", "")[:7], "0")
			if len(digits) > 2 {
				t.Errorf("%v: the axis has %v", most, v)
			}
		}
		if marks < 8 || last == 0 && marks == 1 {
			t.Errorf("%v: %d marks", most, marks)
		}
	}
}

func TestAFormatGoesByTheEndOfTheName(t *testing.T) {
	for name, want := range map[string]plot.Format{"a.svg": plot.SVG, "/x/B.PNG": plot.PNG} {
		if got, err := plot.FormatOf(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "svg", "a.jpg", "a.svg.gz"} {
		if _, err := plot.FormatOf(name); err == nil {
			t.Errorf("%q is taken for one", name)
		}
	}
}

// The axis has room for the numbers beside it.
func TestTheNumbersOfTheAxisAreWhole(t *testing.T) {
	for _, highest := range []float64{0.5, 30, 1200, 25_000, 9_000_000} {
		f := plot.Figure{Panels: []plot.Panel{{Title: "t", Lines: []plot.Line{{Name: "l", X: []float64{0, 1}, Y: []float64{0, highest}}}}}}
		var b bytes.Buffer
		if err := f.Write(&b, plot.SVG); err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`<text x="(-?\d+)"[^>]*>([^<]*)</text>`).FindAllStringSubmatch(b.String(), -1) {
			if x, _ := strconv.Atoi(m[1]); x < 4 {
				t.Errorf("up to %v: %q begins at %d", highest, m[2], x)
			}
		}
	}
}
