package plan

import (
	"context"
	"reflect"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

// Found returns both files with the endpoints that their groups find by DNS or in a
// file, now or until ctx ends. A group that is the same in both has the same ones, even
// if its name has another answer a moment later: that is no change of the file. It
// fails if any of them cannot be found, for then nobody knows what moves.
func Found(ctx context.Context, prev, next *config.Config) (foundPrev, foundNext *config.Config, err error) {
	if foundPrev, err = app.Found(ctx, prev); err != nil {
		return nil, nil, err
	}
	if foundNext, err = app.Found(ctx, next); err != nil {
		return nil, nil, err
	}
	for i := range next.Groups {
		for j := range prev.Groups {
			if found := foundPrev.Groups[j].Endpoints; len(found) > 0 && reflect.DeepEqual(prev.Groups[j], next.Groups[i]) {
				foundNext.Groups[i].Endpoints = found
			}
		}
	}
	return foundPrev, foundNext, nil
}
