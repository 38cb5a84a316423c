//go:build !unix

package uploader

import "os"

// lockFile only opens the file: there is no lock that a killed process would give up.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
}
