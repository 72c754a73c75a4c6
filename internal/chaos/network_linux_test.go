package chaos_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVariable says that the process is in a network of its own.
const insideVariable = "SPILLWAY_CHAOS_INSIDE"

// inOwnNetwork runs the test again in a network of its own, and reports whether it
// did: then there is nothing left to do. Where that cannot be done the test goes
// on where it is, and nobody is cut off.
func inOwnNetwork(t *testing.T) bool {
	if os.Getenv(insideVariable) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("ip link set lo up: %v: %s", err, out)
		}
		return false
	}
	_, noIP := exec.LookPath("ip")
	_, noTables := exec.LookPath("iptables")
	if os.Getuid() != 0 || noIP != nil || noTables != nil {
		t.Log("without a network of its own: nobody is cut off")
		return false
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), insideVariable+"=1")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := again.Start(); err != nil {
		t.Logf("without a network of its own (%v): nobody is cut off", err)
		return false
	}
	if err := again.Wait(); err != nil {
		t.Errorf("in a network of its own: %v", err)
	}
	return true
}

// canCutOff reports whether packets may be dropped here.
func canCutOff() bool { return os.Getenv(insideVariable) != "" }

// cutOff drops all that is sent to or from an address, or no longer does.
func cutOff(host string, on bool) error {
	verb := "-D"
	if on {
		verb = "-A"
	}
	for _, match := range []string{"-d", "-s"} {
		if err := exec.Command("iptables", "-w", verb, "INPUT", match, host, "-j", "DROP").Run(); err != nil {
			return err
		}
	}
	return nil
}

// adopt makes the process the parent of those whose own parent ends, so that an
// upgraded proxy is still found, and waited for.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
