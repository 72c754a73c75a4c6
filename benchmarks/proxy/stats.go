//go:build linux

package main

import (
	"slices"
	"time"
)

// A spread is the median of the rounds with their extremes.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (middle + sorted[len(sorted)/2-1]) / 2
	}
	return spread{middle, sorted[0], sorted[len(sorted)-1]}
}

// of collects one figure from each round.
func (r peerRun) of(figure func(result) float64) spread {
	values := make([]float64, len(r.Results))
	for i, res := range r.Results {
		values[i] = figure(res)
	}
	return spreadOf(values)
}

// ratio divides medians of cost; its extremes are those of the ratios inside one round, which ran in the same minute.
func ratio(sc scenario, ours, theirs peerRun) (spread, bool) {
	a, b := ours.of(sc.cost), theirs.of(sc.cost)
	if a.median <= 0 || b.median <= 0 {
		return spread{}, false
	}
	var rounds []float64
	for i := range min(len(ours.Results), len(theirs.Results)) {
		if t := sc.cost(theirs.Results[i]); t > 0 {
			rounds = append(rounds, sc.cost(ours.Results[i])/t)
		}
	}
	s := spreadOf(rounds)
	s.median = a.median / b.median
	return s, true
}

func (r peerRun) errors() (sum uint64) {
	for _, res := range r.Results {
		sum += res.Errors
	}
	return sum
}

func median50(r result) float64   { return float64(r.P50) }
func tail(r result) float64       { return float64(r.P99) }
func calmMedian(r result) float64 { return float64(r.CalmP50) }
func calmTail(r result) float64   { return float64(r.CalmP99) }
func held(r result) float64       { return float64(r.Held) }
func rssBefore(r result) float64  { return float64(r.RSSBefore) }
func rssPeak(r result) float64    { return float64(r.RSSPeak) }
func rssAfter(r result) float64   { return float64(r.RSSAfter) }

func proxyBusy(r result) float64 { return share(r.ProxyCPU, r.Wall) }
func loadBusy(r result) float64  { return share(r.LoadCPU, r.Wall) }
func restBusy(r result) float64  { return share(r.RestCPU, r.Wall) }

func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
