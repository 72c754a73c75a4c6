// Package host reads what the kernel knows of a machine's sockets and of this
// process: listening sockets and their queues, connections by where they go to,
// descriptors, the range of ephemeral ports.
//
//	/proc/net/tcp, tcp6           ParseSockets   who listens, who is connected to whom
//	/proc/net/netstat             ParseOverflows connections that no queue had room for
//	/proc/sys/net/…, /proc/self   Ports, Descriptors, MaxQueue
//
// Parsers are functions of bytes; the few that read files say which. Only Linux
// has these files: elsewhere reading fails with an error that wraps
// fs.ErrNotExist, and who asks does without.
package host
