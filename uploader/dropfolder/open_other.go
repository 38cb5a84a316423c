//go:build !unix

package dropfolder

const openFlags = 0
