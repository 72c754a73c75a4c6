package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/doctor"
)

func runDoctor(c *console, f *flags, args []string) error {
	where := newAdminFlags(f)
	duration := f.Duration("duration", 10*time.Second, "how `LONG` to watch the proxy")
	timeout := f.Duration("probe-timeout", 3*time.Second, "how `LONG` an endpoint may take to answer a probe")
	rest, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	if *where.file, err = oneFile(*where.file, rest); err != nil {
		return err
	}
	if *duration <= 0 || *timeout <= 0 {
		return usageError("--duration and --probe-timeout must be above 0")
	}
	var file *config.Config
	if *where.file != "" {
		if file, err = load(*where.file); err != nil {
			return err
		}
	}
	client, err := where.client()
	if err != nil {
		return err
	}
	defer client.Close()
	facts, err := doctor.Gather(context.Background(), client, file, doctor.Options{Duration: *duration, ProbeTimeout: *timeout})
	if err != nil {
		return err
	}
	report := doctor.Judge(facts)
	if *where.asJSON {
		err = c.printJSON(report)
	} else {
		err = printDiagnosis(c.out, report)
	}
	if err == nil && len(report.Findings) > 0 {
		return errSaid(exitFound)
	}
	return err
}

// printDiagnosis prints each finding as a paragraph, then the notes.
func printDiagnosis(w io.Writer, r doctor.Report) error {
	var b strings.Builder
	for _, f := range r.Findings {
		printFinding(&b, f)
	}
	if n := len(r.Findings); n == 0 {
		b.WriteString("Nothing is wrong, as far as can be seen.\n")
	} else {
		fmt.Fprintf(&b, "%d found.\n", n)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\nNotes:\n\n")
	}
	for _, f := range r.Notes {
		printFinding(&b, f)
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// printFinding prints where it is, what it is, and what to do.
func printFinding(b *strings.Builder, f doctor.Finding) {
	name := f.Check
	if f.Cause != "" {
		name += " (" + strings.ReplaceAll(f.Cause, "_", " ") + ")"
	}
	var about []string
	for _, s := range []string{f.Service, f.Endpoint} {
		if s != "" {
			about = append(about, s)
		}
	}
	if len(about) > 0 {
		name = strings.Join(about, " ") + ": " + name
	}
	fmt.Fprintf(b, "%s\n  %s\n  → %s\n\n", name, f.Evidence, f.Remedy)
}
