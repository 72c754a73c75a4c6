// Package systemd talks to the service manager that has started this process: it takes
// the sockets that the manager has opened (sd_listen_fds(3)), and says how the process
// is (sd_notify(3)), whether it is alive, and who takes its place.
//
// Without a manager, and on systems that have none, all of it does nothing. A
// [Manager]'s methods may be called on nil.
package systemd
