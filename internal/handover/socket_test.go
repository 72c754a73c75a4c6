package handover_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/spillway-lb/spillway/internal/handover"
)

func TestASocketGoesToWhoseItIs(t *testing.T) {
	// Two of one listener, one of each kind beside it, and one of a service manager's.
	pool := []handover.Socket{
		{Name: "web", Network: "tcp", Listen: ":80", Addr: "[::]:80"},
		{Name: "web", Network: "tcp", Listen: ":80", Addr: "[::]:80"},
		{Name: "dns", Network: "udp", Listen: ":80", Addr: "[::]:80"},
		{Name: "four", Network: "tcp", Listen: "0.0.0.0:81", Addr: "0.0.0.0:81"},
		{Name: "free", Network: "tcp", Listen: "127.0.0.1:0", Addr: "127.0.0.1:4711"},
		{Name: "local", Network: "unix", Listen: "/run/x", Addr: "/run/x"},
		{Name: "manager.socket", Network: "tcp", Addr: "127.0.0.1:82", Shared: true},
		{Name: "named", Network: "tcp", Addr: "127.0.0.1:83", Shared: true},
	}
	for _, c := range []struct {
		what string
		want handover.Want
		gets []int
	}{
		{"the same listener", handover.Want{Name: "web", Network: "tcp", Listen: ":80"}, []int{0, 1}},
		{"the same under another name", handover.Want{Name: "front", Network: "tcp", Listen: ":80"}, []int{0, 1}},
		{"the same port of UDP", handover.Want{Name: "dns", Network: "udp", Listen: ":80"}, []int{2}},
		{"another port", handover.Want{Name: "web", Network: "tcp", Listen: ":8080"}, nil},
		{"one family is not both", handover.Want{Name: "web", Network: "tcp", Listen: "0.0.0.0:80"}, nil},
		{"both are not one", handover.Want{Name: "four", Network: "tcp", Listen: ":81"}, nil},
		{"both in other words", handover.Want{Name: "web", Network: "tcp", Listen: "[::]:80"}, []int{0, 1}},
		{"any port, the same name", handover.Want{Name: "free", Network: "tcp", Listen: "127.0.0.1:0"}, []int{4}},
		{"any port, another name", handover.Want{Name: "other", Network: "tcp", Listen: "127.0.0.1:0"}, nil},
		{"a port that was any", handover.Want{Name: "x", Network: "tcp", Listen: "127.0.0.1:4711"}, []int{4}},
		{"a path", handover.Want{Name: "other", Network: "unix", Listen: "/run/x"}, []int{5}},
		{"a path, relative", handover.Want{Name: "local", Network: "unix", Listen: "run/x"}, nil},
		{"the manager's, by address", handover.Want{Name: "web", Network: "tcp", Listen: "127.0.0.1:82"}, []int{6}},
		{"the manager's, by name", handover.Want{Name: "named", Network: "tcp", Listen: ":443"}, []int{7}},
		{"the manager's, of another kind", handover.Want{Name: "named", Network: "udp", Listen: ":443"}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			left := slices.Clone(pool)
			got := handover.Take(&left, c.want)
			var want []handover.Socket
			for _, i := range c.gets {
				want = append(want, pool[i])
			}
			if !slices.Equal(got, want) || len(left) != len(pool)-len(got) {
				t.Errorf("got %v, want %v; %d left", got, want, len(left))
			}
		})
	}
}

func ExampleTake() {
	pool := []handover.Socket{
		{Name: "web", Network: "tcp", Listen: ":80", Addr: "[::]:80"},
		{Name: "old", Network: "tcp", Listen: ":8080", Addr: "[::]:8080"},
	}
	taken := handover.Take(&pool, handover.Want{Name: "web", Network: "tcp", Listen: ":80"})
	fmt.Println(len(taken), "taken; nobody wants", pool[0].Name)
	// Output: 1 taken; nobody wants old
}
