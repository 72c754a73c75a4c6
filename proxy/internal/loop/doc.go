// Package loop serves many connections with one goroutine for each core.
//
//	          ┌──────────────────────── Loop ────────────────────────┐
//	kernel ──►│ epoll ──► Conn ──► a task waits for it: it goes on   │
//	          │               └──► nobody does: its Handler is told  │
//	others ──►│ Post ──► f()                                         │
//	          └──────────────────────────────────────────────────────┘
//
// What waits is written as if it blocked: a task is a coroutine of its loop, and
// a Conn that has nothing to read parks it until there is something. Exactly one
// of a loop and its tasks runs at any time, so what belongs to a loop needs no
// lock. An idle connection has no task, no buffer and no goroutine: it is the
// Conn and its Handler.
//
//	loops, err := loop.New(0, nil)
//	go loops.Run(ctx)
//	loops.Accept(sockets, loop.AcceptOptions{Serve: serve})
//
// Nothing on a loop may block: no file, no lock that is held for long, no name
// to be resolved. Such work goes to a goroutine, and comes back by Post.
//
// The files: loop is the loop itself, task the coroutines, conn what is known of a
// socket and who waits for it, bytes and splice what tasks do with it, now and peek
// what a handler does without a task, wheel the timers, accept and dial where
// connections come from. Only this package knows epoll.
// Linux only; elsewhere New says that it is not supported.
package loop
