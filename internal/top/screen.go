package top

import (
	"fmt"
	"math"
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"
)

// A screen is what is drawn. Only the application's goroutine touches it.
type screen struct {
	app    *tview.Application
	title  string
	leave  func()
	head   *tview.TextView
	foot   *tview.TextView
	table  *tview.Table
	before Reading
	now    Reading
	lines  []Line // that are drawn
	err    error
	by     Order
	// troubled and paused are what the keys t and p switch.
	troubled, paused bool
}

// newScreen makes what is drawn. leave is called when somebody has seen enough.
func newScreen(title string, leave func()) *screen {
	s := &screen{app: tview.NewApplication(), title: title, leave: leave, head: tview.NewTextView(), foot: tview.NewTextView(), table: tview.NewTable()}
	// The terminal's own colours: nobody knows whether it is a dark one.
	for _, b := range []*tview.Box{s.head.Box, s.foot.Box, s.table.Box} {
		b.SetBackgroundColor(tcell.ColorDefault)
	}
	s.head.SetDynamicColors(true).SetTextColor(tcell.ColorDefault)
	s.table.SetFixed(1, 1).SetSelectable(true, false)
	s.table.SetSelectionChangedFunc(func(int, int) { s.drawFoot() })
	s.foot.SetTextColor(tcell.ColorGray)
	rows := tview.NewFlex().SetDirection(tview.FlexRow).
		AddItem(s.head, 2, 0, false).
		AddItem(s.table, 0, 1, true).
		AddItem(s.foot, 2, 0, false)
	s.app.SetRoot(rows, true).SetInputCapture(s.key)
	s.draw()
	return s
}

// key handles the keys that are not the table's.
func (s *screen) key(ev *tcell.EventKey) *tcell.EventKey {
	switch {
	case ev.Key() == tcell.KeyEscape, ev.Key() == tcell.KeyCtrlC, ev.Rune() == 'q':
		s.leave()
		return nil
	case ev.Rune() == 's':
		s.by = (s.by + 1) % orders
	case ev.Rune() == 't':
		s.troubled = !s.troubled
	case ev.Rune() == 'p':
		s.paused = !s.paused
	default:
		return ev
	}
	s.draw()
	return nil
}

// take shows another reading, or why there is none.
func (s *screen) take(r Reading, err error) {
	s.err = err
	if err == nil && !s.paused {
		s.before, s.now = s.now, r
	}
	s.draw()
}

// columns are the table's heads, and whether what is below stands to the right.
var columns = []struct {
	name  string
	right bool
}{
	{"NAME", false}, {"STATE", false}, {"RATE", true}, {"FAIL/S", true}, {"ACTIVE", true},
	{"EXPECTED", true}, {"ACTUAL", true}, {"FULL", false}, {"", false},
}

// draw fills in the head and the table.
func (s *screen) draw() {
	lines := Lines(&s.before, &s.now, s.by, s.troubled)
	s.drawHead(lines)
	s.table.Clear()
	for x, c := range columns {
		s.table.SetCell(0, x, cell(c.name, c.right).SetTextColor(tcell.ColorGray).SetSelectable(false))
	}
	for y, l := range lines {
		for x, text := range l.cells() {
			c := cell(text, columns[x].right)
			switch {
			case l.Level == OfEndpoint && l.Trouble:
				c.SetTextColor(tcell.ColorRed)
			case l.Level == OfService:
				c.SetAttributes(tcell.AttrBold)
			}
			s.table.SetCell(y+1, x, c)
		}
	}
	s.lines = lines
	s.drawFoot()
}

// drawFoot says what is to be said of the line that is selected, for which a narrow
// terminal has no column, and the keys.
func (s *screen) drawFoot() {
	remark := ""
	if row, _ := s.table.GetSelection(); row > 0 && row <= len(s.lines) {
		l := &s.lines[row-1]
		remark = strings.TrimRight(l.Name+": "+l.State+" "+l.Remark, " ")
	}
	s.foot.SetText(remark + "\nq leave  s sort  t only trouble  p pause  ↑↓ move")
}

func (s *screen) drawHead(lines []Line) {
	rate, failing, endpoints, ill := 0.0, 0.0, 0, 0
	for _, l := range lines {
		switch l.Level {
		case OfService:
			rate, failing = rate+l.Rate, failing+l.Failing
		case OfEndpoint:
			endpoints++
			if l.Trouble {
				ill++
			}
		}
	}
	first := "spillway top  " + s.title
	if !s.now.At.IsZero() {
		first += s.now.At.Format("  15:04:05")
	}
	if s.paused {
		first += "  paused"
	}
	second := fmt.Sprintf("%s/s, %s failures/s, %d endpoints, %d in trouble, by %v", figure(rate), figure(failing), endpoints, ill, s.by)
	if s.err != nil {
		second = "[red]" + tview.Escape(s.err.Error())
	}
	s.head.SetText(tview.Escape(first) + "\n" + second)
}

func cell(text string, right bool) *tview.TableCell {
	c := tview.NewTableCell(tview.Escape(text)).SetTextColor(tcell.ColorDefault)
	if right {
		c.SetAlign(tview.AlignRight)
	}
	return c
}

// cells are the line's, column by column.
func (l *Line) cells() []string {
	full := ""
	if l.Fullness >= 0 {
		full = bar(l.Fullness)
	}
	return []string{
		strings.Repeat("  ", int(l.Level)) + l.Name, l.State, figure(l.Rate), figure(l.Failing), fmt.Sprint(l.Active),
		share(l.Expected), share(l.Actual), full, l.Remark,
	}
}

// bar shows a part from 0 to 1; what is above looks like 1 with a mark.
func bar(x float64) string {
	const places = 10
	n := int(math.Round(min(max(x, 0), 1) * places))
	mark := " "
	if x > 1.005 {
		mark = ">"
	}
	return strings.Repeat("█", n) + strings.Repeat("░", places-n) + mark + fmt.Sprintf("%3.0f %%", 100*x)
}

func share(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

// figure has a digit behind the point where that is worth something.
func figure(x float64) string {
	if x == 0 || x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}
