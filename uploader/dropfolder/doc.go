// Package dropfolder takes over what other firmware, an FTP daemon or a script leaves in a directory: each
// JPEG and MP4 file there, in subdirectories too, is copied into the spool once it is finished, and removed.
//
// # What is finished
//
// A file must be whole: a picture ends with EOI, a movie's boxes reach exactly to its end. A whole picture or
// ordinary movie is taken as soon as no process has it open for writing, which the kernel tells by granting a
// read lease (fcntl(2), F_SETLEASE); so a file that is renamed into the folder is taken at once. Where leases
// are not to be had (network file systems, other users' files without CAP_LEASE), and for fragmented movies,
// which are whole after each fragment, a file must also be unchanged for Config.Settle. One that some process
// keeps open is taken after ten minutes without a change. One that is not whole by then is refused: it stays
// where it is, is counted and logged, and is looked at again if it changes. Hidden files, other endings than
// .jpg, .jpeg and .mp4, and whatever is not a regular file are never opened.
//
// # What time it is from
//
// A picture is as old as its last change says, and a movie began its length before that. The age counts, not
// the date: the file system stamps files with this device's clock, so the age is right even while the date is
// wrong, and it is determined when the file is first seen, so a later step of the clock does not matter. Only a
// file from before this boot, or from the future, needs a right date; it waits for the kernel's clock to be
// synchronised, at most ten minutes. Times in names and headers are not used: vendors write them in a zone
// that they do not tell, from clocks that often were never set. Whoever copies old files into the folder keeps
// their times (cp -p).
//
// # What a crash leaves
//
// A file is renamed to .camward-ID with its ending (ID is random), copied, finished in the spool, removed. So
// no other process can put a different file in its place meanwhile, and a crash leaves it under that name, where
// the next start finds it: nothing is ever lost. ID travels as the recording's Source: the spool forgets a
// copy that was cut, and answers fs.ErrExist for one that it has finished, whose file is only removed then. A
// copy that was even sent before the crash is sent again under the same name, which is made of the file's time,
// so the store has it once. A spool in memory keeps what it took only as long as there is power.
package dropfolder
