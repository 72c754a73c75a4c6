package handover

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Self returns the command line that has started this process, for its successor: the
// program at the same path, which may be another by then, with the same arguments. It
// is to be called early: what the path was relative to may change.
//
// The path is the one that was called, not where a symbolic link led at that time, so
// that a link may be made to point to the new version. Where a program was called by
// another name than its own (exec -a), it is where the kernel has found it.
func Self() (path string, args []string, err error) {
	args = os.Args[1:]
	found, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err == nil && isSameFile(called, found) {
		return called, args, nil
	}
	// What Linux says of a program that has been replaced since it was started.
	return strings.TrimSuffix(found, " (deleted)"), args, nil
}

func isSameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return errors.Join(err, err2) == nil && os.SameFile(x, y)
}
