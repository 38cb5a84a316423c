package profile

import (
	_ "embed"
	"sync"
)

//go:embed profiles.yml
var builtinYAML []byte

// builtin is read once; a fault in the file is one of this package, and its test finds it.
var builtin = sync.OnceValue(func() *Set {
	profiles, err := load("profiles.yml", builtinYAML)
	if err != nil {
		panic("profile: " + err.Error())
	}
	return &Set{profiles: profiles}
})

// Builtin returns the makers that camward knows by itself.
func Builtin() *Set { return builtin() }
