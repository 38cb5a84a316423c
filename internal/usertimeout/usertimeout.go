// Package usertimeout bounds how long a TCP connection may go without an acknowledgement.
//
// Bytes that the process has handed to the kernel are out of its sight, so nothing else notices a link that
// dies while they drain.
package usertimeout
