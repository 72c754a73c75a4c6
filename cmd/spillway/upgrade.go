package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/spillway-lb/spillway/internal/handover"
)

// successor returns what makes the command that is to replace this process: the same,
// of the program that is at its path by then.
func successor() func() (*exec.Cmd, error) {
	path, args, err := handover.Self()
	return func() (*exec.Cmd, error) {
		if err != nil {
			return nil, fmt.Errorf("what this process was started from cannot be told: %w", err)
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return cmd, nil
	}
}

func runUpgrade(c *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	pid, err := client.Upgrade(context.Background())
	if err != nil {
		return err
	}
	if *where.asJSON {
		return c.printJSON(map[string]int{"pid": pid})
	}
	_, err = fmt.Fprintf(c.out, "upgraded: process %d has taken over\n", pid)
	return err
}
