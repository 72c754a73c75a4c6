// Command spillway is a reverse proxy that balances HTTP, TCP and UDP traffic.
//
//	spillway demo                       see it work: endpoints, traffic and a failure, all built in
//	spillway run -c spillway.toml       the proxy
//	spillway run --listen :8080 --to 10.0.0.1:80,10.0.0.2:80
//	spillway check spillway.toml        every problem of a file at once
//	spillway plan old.toml new.toml     what a change does before it is made
//	spillway explain -c spillway.toml --client 192.0.2.1:4711
//	                                    which endpoint such a request gets, and why
//	spillway simulate -c spillway.toml --rate 200
//	                                    who would get which traffic, in virtual time
//	spillway doctor -c spillway.toml    what is wrong with live traffic, why, and what to do
//	spillway status                     who gets what share of the traffic, and who is ill
//	spillway drain web 10.0.0.1:80      take an endpoint out without hurting anybody
//	spillway drain 10.0.0.1:80 --wait   and wait until nothing is left there
//	spillway ready web 10.0.0.1:80      and back in
//	spillway drain web --group eu-a     the same of a group that has a capacity
//	spillway reload                     read the file again
//	spillway version
//	spillway help VERB
//
// Flags may stand before or after what a verb is about. Exit codes: 0 all is
// well, 1 a failure while running, 2 wrong usage, 3 invalid configuration, 4 a
// check found something, 5 the admin API cannot be reached.
//
// Signals to a running proxy: INT and TERM drain it and a second one stops it
// at once; HUP reloads the file.
//
// main is a screen; each verb is a file. A verb gets its flags and a console,
// never the process, so tests run verbs as functions.
package main
