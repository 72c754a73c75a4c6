// Proxybench measures what a proxy costs: it starts nginx, HAProxy, Caddy and Spillway one beside the other, sends each the
// same work over loopback, and prints CPU time per operation, rates, latencies and the ratios between them as Markdown.
//
//	 core 0                    core 1
//	┌──────────────┐   TCP    ┌──────────────────┐
//	│ the proxy    │◄─────────┤ proxybench load  │  64 clients, one epoll loop
//	│ (one worker) ├─────────►│ proxybench       │  four endpoints, one epoll loop
//	└──────────────┘          │        endpoint  │
//	                          └──────────────────┘
//	        ▲ /proc/PID/task/*/schedstat, read by load when its window opens and when it closes
//
// CPU time per operation is the figure to trust: a shared machine disturbs rates and latencies much more. Rounds are
// interleaved (each round runs every proxy once, in shuffled order), and only ratios inside one run mean anything.
//
//	go run ./proxy -scenario S1,S5 -proxies nginx,haproxy,spillway
//	go run ./proxy -scenario S1 -proxies spillway -spillway old=PATH,new=PATH
//
// Where to read on: scenario.go says what is done, peers.go how each proxy is set up, check.go what must hold before
// anything is measured, run.go the rounds, client.go and endpoint.go the two ends of the work, cpu.go the accounting,
// strace.go the system calls, slow.go the slow clients, table.go the report, goals.go what it is to say. It runs on Linux only: the accounting is /proc, the load is epoll.
package main
