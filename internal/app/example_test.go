package app_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

func Example() {
	cfg, err := config.FromFlags("127.0.0.1:0", []string{"127.0.0.1:9"}, "MAGLEV")
	if err != nil {
		panic(err)
	}
	a, err := app.New(cfg, app.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // as a signal would
	fmt.Println(a.Run(ctx))
	// Output: <nil>
}
