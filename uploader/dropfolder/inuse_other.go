//go:build !linux

package dropfolder

import "os"

func usageOf(*os.File) usage { return unknown }

func remote(string) bool { return false }
