package tlsfront

import (
	"testing"
	"time"
)

func TestTicketKeysTurnDailyAndOldOnesStayAWhile(t *testing.T) {
	var k keyring
	now := time.Unix(0, 0)
	if !k.turn(now) || len(k.keys) != 1 {
		t.Fatal("there is no first key")
	}
	first := k.keys[0]
	if k.turn(now.Add(ticketKeyLife - 1)) {
		t.Error("a key was made too early")
	}
	for day := 1; day < ticketKeys; day++ {
		now = now.Add(ticketKeyLife)
		if !k.turn(now) || k.keys[day] != first || k.keys[0] == first {
			t.Fatalf("day %d: the first key is not the last of %d", day, len(k.keys))
		}
	}
	k.turn(now.Add(ticketKeyLife))
	if len(k.keys) != ticketKeys {
		t.Fatalf("there are %d keys", len(k.keys))
	}
	for _, key := range k.keys {
		if key == first {
			t.Error("the first key is there for ever")
		}
	}
	newest := k.keys[0]
	k.forget(now)
	if len(k.keys) != 1 || k.keys[0] == newest {
		t.Error("a key outlived being forgotten")
	}
}
