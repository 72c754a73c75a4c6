//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

func main() {
	runtime.LockOSThread() // see start: what this thread starts dies with it
	if err := dispatch(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "proxybench:", err)
		os.Exit(1)
	}
}

// dispatch: the program is four. Without a sub-command it is the harness, which starts itself as the other three.
func dispatch(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "load":
			return runLoad(os.Stdin, os.Stdout)
		case "endpoint":
			return runEndpoint(os.Stdout)
		case "floor":
			if len(args) == 2 {
				return runFloor(args[1])
			}
		}
	}
	return harness(args)
}

type options struct {
	scenarios string
	proxies   string
	out       string
	spillway  string
	modules   string
	rounds    int
	warmup    time.Duration
	duration  time.Duration
	strace    bool
	line      string // the command line again, for the report
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("proxybench", flag.ContinueOnError)
	flags.StringVar(&o.scenarios, "scenario", "all", "which `scenarios`: S1,S5u; S4 is S4a and S4b, Slow all of that name")
	flags.StringVar(&o.proxies, "proxies", "nginx,haproxy,haproxy-splice,caddy,spillway", "which `proxies`, as far as they are installed; spillway-stream is Spillway with that engine, floor what no proxy can be below")
	flags.IntVar(&o.rounds, "rounds", 5, "runs of each proxy in each scenario, from 1 to 100")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "of the measured part of a run, at most 1m")
	flags.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "of a run before it is measured, at most 1m")
	flags.BoolVar(&o.strace, "strace", true, "one more, short run of each proxy under strace, for system calls per operation")
	flags.StringVar(&o.out, "out", "", "also write the report to this `file`")
	flags.StringVar(&o.spillway, "spillway", "", "`path` of the spillway binary, or old=PATH,new=PATH to compare two; default: build ./cmd/spillway")
	flags.StringVar(&o.modules, "nginx-modules", "", "`directory` with ngx_stream_module.so, looked at before the usual ones")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.line = "proxybench"
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "out" && f.Name != "spillway" && f.Name != "nginx-modules" { // where things lie is nobody's business
			o.line += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", flags.Arg(0))
	case o.rounds < 1 || o.rounds > 100:
		return o, errors.New("-rounds must be from 1 to 100")
	case o.duration < 50*time.Millisecond || o.duration > time.Minute:
		return o, errors.New("-duration must be from 50ms to 1m")
	case o.warmup < 0 || o.warmup > time.Minute:
		return o, errors.New("-warmup must be from 0 to 1m")
	}
	return o, nil
}

// harness measures, and prints its report even when it was interrupted: complete scenarios stand.
func harness(args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	picked, err := pickScenarios(o.scenarios)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	dir, err := os.MkdirTemp("", "proxybench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	var rep report
	b := &bench{
		dir: dir, rounds: o.rounds, warmup: o.warmup, duration: o.duration,
		proxyCore: 0, loadCore: 1, strace: o.strace, modules: o.modules, progress: os.Stderr,
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if mask, err := currentCores(); err != nil || mask[0]&3 != 3 {
		return errors.New("cores 0 and 1 are needed: the proxy is pinned to one, the load to the other")
	}
	if b.peers, rep.Notes, err = choosePeers(ctx, o, dir); err != nil {
		return err
	}
	picked = fitTools(b, picked, &rep.Notes)
	if picked, err = fitDescriptors(picked, &rep.Notes); err != nil {
		return err
	}
	rep.About = about(o, b.peers)
	rep.take(b.peers)

	for _, sc := range picked {
		var sec section
		if sec, err = b.scenario(ctx, sc); err != nil {
			err = fmt.Errorf("%s: %w", sc.Name, err)
			break
		}
		rep.Sections = append(rep.Sections, sec)
	}
	if len(rep.Sections) == 0 {
		return err
	}
	text := rep.markdown()
	fmt.Print(text)
	if o.out != "" {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(o.out), 0o755), os.WriteFile(o.out, []byte(text), 0o644))
	}
	return err
}

// fitTools leaves out what needs a program that is not installed.
func fitTools(b *bench, picked []scenario, notes *[]string) []scenario {
	if _, err := exec.LookPath("strace"); b.strace && err != nil {
		b.strace = false
		*notes = append(*notes, "system calls: strace is not installed")
	}
	if _, err := exec.LookPath("slowhttptest"); err == nil {
		return picked
	}
	return slices.DeleteFunc(slices.Clone(picked), func(sc scenario) bool {
		if sc.Kind == besides {
			*notes = append(*notes, sc.Name+": slowhttptest is not installed")
		}
		return sc.Kind == besides
	})
}

// enoughFiles are for 8,000 connections on either side of a proxy.
const enoughFiles = 1 << 15

// fitDescriptors raises the limit of open files for all that is started, and has S9 open fewer connections where the
// system's hard limit is too low.
func fitDescriptors(picked []scenario, notes *[]string) ([]scenario, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	if limit.Max < enoughFiles { // the superuser may raise it
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: enoughFiles, Max: enoughFiles})
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return nil, err
		}
	}
	limit.Cur = limit.Max // set explicitly: what the Go runtime raises by itself is taken back for children
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	room := int(min(limit.Max, 1<<20)) - 1000
	picked = slices.Clone(picked)
	for i := range picked {
		if picked[i].Conns > room {
			if room < 100 {
				return nil, fmt.Errorf("a limit of %d open files is too low", limit.Max)
			}
			*notes = append(*notes, fmt.Sprintf("%s has %d connections instead of %d: the limit of open files is %d", picked[i].Name, room, picked[i].Conns, limit.Max))
			picked[i].Conns = room
		}
	}
	return picked, nil
}
