package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"camward/camio"
	"camward/internal/atomicfile"
)

// User is the one name that signs in.
const User = "admin"

// realm is part of the stored digests and must never change.
const realm = "camward"

// Cost of argon2id (RFC 9106 4): kept small, since the device may have 64 MB in all. The password is random
// with 59 bits unless its owner chooses otherwise.
const (
	argonTime    = 3
	argonMemory  = 4 << 10 // KiB
	argonThreads = 1
	argonKey     = 32 // bytes
)

// Password is the one password of the device, as kept in the state directory: never the text, only
// argon2id for what brings the text, and HA1 (RFC 7616 3.4.2) for digest authentication. Whoever reads an HA1 can
// sign in to this device with it, where the text would not be needed: hence mode 0600. It is of no use
// elsewhere, since realm and user are part of it. Safe for concurrent use.
type Password struct {
	file string
	kept atomic.Pointer[kept] // replaced when the file changes, and only then: what was proved by another one holds no longer
	seen atomic.Pointer[seen] // the last text that was right: argon2id once, not at each request
	key  [32]byte             // of seen

	guessing sync.Mutex // one argon2id at a time, so that guesses don't use many times argonMemory

	reading sync.Mutex
	stamp   fs.FileInfo // of the file when it was read
}

type seen struct {
	of     *kept
	digest [sha256.Size]byte // keyed
}

type kept struct {
	User      string `json:"user"`
	Realm     string `json:"realm"`
	HA1MD5    string `json:"ha1_md5"`
	HA1SHA256 string `json:"ha1_sha256"`
	Salt      string `json:"argon2id_salt"`
	Hash      string `json:"argon2id"`
	Time      uint32 `json:"argon2id_time"`
	Memory    uint32 `json:"argon2id_memory_kib"`
}

func passwordFile(stateDir string) string { return filepath.Join(stateDir, "password.json") }

// LoadPassword reads the password kept in stateDir. At first start there is none, and it becomes first, as a maker's label
// or the owner's file has it; if that is empty it is a random one, and fresh is its text, to be printed once: it is stored nowhere.
func LoadPassword(stateDir string, first camio.Secret) (p *Password, fresh string, err error) {
	p = newPassword(stateDir)
	switch err := p.read(); {
	case errors.Is(err, fs.ErrNotExist) && first != "":
		p, err := SetPassword(stateDir, first)
		return p, "", err
	case errors.Is(err, fs.ErrNotExist):
		return ResetPassword(stateDir)
	case err != nil:
		return nil, "", err
	}
	return p, "", nil
}

// Length of a password that its owner chooses. Longer ones are never tried.
const (
	minPassword = 8   // characters
	maxPassword = 256 // bytes
)

// SetPassword replaces the password by a chosen one: at least 8 characters and at most 256 bytes, all printable, no space at
// either end. A running server notices, and ends all sessions.
func SetPassword(stateDir string, text camio.Secret) (*Password, error) {
	s := text.Reveal()
	switch {
	case utf8.RuneCountInString(s) < minPassword || len(s) > maxPassword:
		return nil, fmt.Errorf("password: it must have %d characters at least, and %d bytes at most", minPassword, maxPassword)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.TrimSpace(s) != s:
		return nil, errors.New("password: it must be of printable characters, without a space at its beginning or end")
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	k := kept{
		User: User, Realm: realm,
		HA1MD5:    digestOf(algMD5, User+":"+realm+":"+s),
		HA1SHA256: digestOf(algSHA256, User+":"+realm+":"+s),
		Salt:      hex.EncodeToString(salt),
		Time:      argonTime, Memory: argonMemory,
	}
	k.Hash = hex.EncodeToString(argon2.IDKey([]byte(s), salt, argonTime, argonMemory, argonThreads, argonKey))
	b, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	if err := atomicfile.Write(passwordFile(stateDir), b, 0o600); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	p := newPassword(stateDir)
	return p, p.read()
}

// ResetPassword replaces the password by a new random one and returns its text.
func ResetPassword(stateDir string) (p *Password, text string, err error) {
	text = randomText()
	p, err = SetPassword(stateDir, camio.Secret(text))
	return p, text, err
}

func newPassword(stateDir string) *Password {
	p := &Password{file: passwordFile(stateDir)}
	p.kept.Store(&kept{})
	rand.Read(p.key[:])
	return p
}

// read takes the file's contents if it is another one than last time, which costs one stat. On an error, and so
// while the file is damaged or gone, what was read before stands.
func (p *Password) read() error {
	p.reading.Lock()
	defer p.reading.Unlock()
	fi, err := os.Stat(p.file)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if p.stamp != nil && os.SameFile(fi, p.stamp) && fi.ModTime().Equal(p.stamp.ModTime()) && fi.Size() == p.stamp.Size() {
		return nil
	}
	b, err := os.ReadFile(p.file)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	var k kept
	if err := json.Unmarshal(b, &k); err != nil || k.Hash == "" {
		return fmt.Errorf("password: %s is damaged; make a new one with: camward password --reset", p.file)
	}
	p.stamp = fi
	if k != *p.kept.Load() {
		p.kept.Store(&k)
	}
	return nil
}

// randomText is 12 characters that are not mistaken for one another, in three groups.
func randomText() string {
	const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	var b []byte
	for i := range 12 {
		if i > 0 && i%4 == 0 {
			b = append(b, '-')
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic("web: no randomness: " + err.Error())
		}
		b = append(b, alphabet[n.Int64()])
	}
	return string(b)
}

// allows judges Basic credentials. try is asked before a password is tried that is not the last one that was
// right, by one request at a time; false keeps it from being tried.
func (p *Password) allows(r *http.Request, try func() bool) verdict {
	user, text, ok := r.BasicAuth()
	if !ok {
		return malformed
	}
	if subtle.ConstantTimeCompare([]byte(user), []byte(User)) != 1 {
		if !try() {
			return untried
		}
		return wrong
	}
	return p.check(text, try)
}

// digests says whether the digests of both algorithms are kept. They are missing from a file that was not
// written by SetPassword.
func (p *Password) digests() bool {
	k := p.kept.Load()
	return len(k.HA1MD5) == 32 && len(k.HA1SHA256) == 64
}

// ha1 gives the digest for an algorithm as the credentials name it, MD5 if they don't (RFC 7616 3.4), and the algorithm's own
// name; "" for one that is not offered.
func (p *Password) ha1(algorithm string) (alg, ha1 string) {
	k := p.kept.Load()
	switch {
	case algorithm == "" || strings.EqualFold(algorithm, algMD5):
		return algMD5, k.HA1MD5
	case strings.EqualFold(algorithm, algSHA256):
		return algSHA256, k.HA1SHA256
	}
	return "", ""
}

// Check says whether text is the password.
func (p *Password) Check(text string) bool {
	return p.check(text, func() bool { return true }) == granted
}

func (p *Password) check(text string, try func() bool) verdict {
	k := p.kept.Load()
	digest := sha256.Sum256(append(p.key[:len(p.key):len(p.key)], text...))
	if s := p.seen.Load(); s != nil && s.of == k && subtle.ConstantTimeCompare(digest[:], s.digest[:]) == 1 {
		return granted
	}
	p.guessing.Lock()
	defer p.guessing.Unlock()
	if !try() {
		return untried
	}
	salt, err1 := hex.DecodeString(k.Salt)
	want, err2 := hex.DecodeString(k.Hash)
	if err1 != nil || err2 != nil || len(want) == 0 || len(text) > maxPassword || k.Memory > 64<<10 || k.Time < 1 || k.Time > 16 {
		return wrong
	}
	got := argon2.IDKey([]byte(text), salt, k.Time, k.Memory, argonThreads, uint32(len(want)))
	if subtle.ConstantTimeCompare(got, want) != 1 || p.kept.Load() != k {
		return wrong
	}
	p.seen.Store(&seen{k, digest})
	return granted
}

// HasPassword says whether a password is kept in stateDir.
func HasPassword(stateDir string) bool {
	_, err := os.Stat(passwordFile(stateDir))
	return err == nil
}
