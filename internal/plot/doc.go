// Package plot draws what happened over time: panels one above the other, with
// lines and areas that share their time axis, as SVG or PNG.
//
//	┌ traffic ────────────┐
//	│   ▁▄▆███▆▄▁    ─ eu │   Figure ─► Panel, one for each unit
//	├ fullness ───────────┤             └─► Line: name, values, colour, look
//	│  ──╱‾‾‾‾‾‾╲── ─ eu  │
//	└─────────────────────┘
//
// It knows numbers and names, not what they mean. The drawing is go-chart's.
package plot
