// Package uploader keeps what the camera recorded until a store elsewhere has acknowledged it.
//
// The spool is a directory, and the directory is the queue; nothing else remembers what waits.
// An item is up to two files that share a number, which grows with every item and
// never depends on a clock:
//
//	000000000042.json   the journal record: camera, kind, boot, times, later size, digest and name
//	000000000042.part   data still being written
//	000000000042.mp4    data finished (.jpeg for pictures)
//	boots.json          wall-clock offsets of the boots whose items wait, where known
//	written.json        bytes written to the disk, of this day and ever
//	lock                held while a process uses the spool
//
// Crash order: the record is written, synced and renamed into place before the first byte
// of data; data is synced whenever the recorder asks (each fragment of a clip); Finish
// syncs and closes the data, replaces the record by the complete one, renames the data and
// syncs the directory. An acknowledged item loses its data first and then its record. So
// whatever a crash leaves can be told apart, and OpenSpool's sweep completes it: finished data is
// queued, a cut clip is trimmed to its last whole fragment and queued, a record without data is removed. Data
// that cannot be saved, or that the store refused for good, is quarantined: its record says why under
// "refused", it is never sent, and it is the first thing that a quota removes.
//
// A record is only ever replaced whole: name.tmp is written, synced, renamed. The upload's name
// is the store's idempotency key, so it is in the journal before the first transfer begins and never changes after that.
package uploader
