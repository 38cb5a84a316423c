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

	"golang.org/x/crypto/argon2"

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
	kept kept

	mu   sync.Mutex
	seen [sha256.Size]byte // keyed digest of the last text that was right: argon2id once, not at each request
	key  [32]byte
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

// LoadPassword reads the password kept in stateDir, or makes a random one at first start. fresh is its
// text then, to be printed once; it is stored nowhere.
func LoadPassword(stateDir string) (p *Password, fresh string, err error) {
	b, err := os.ReadFile(passwordFile(stateDir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ResetPassword(stateDir)
	case err != nil:
		return nil, "", fmt.Errorf("password: %w", err)
	}
	p = newPassword()
	if err := json.Unmarshal(b, &p.kept); err != nil || p.kept.Hash == "" {
		return nil, "", fmt.Errorf("password: %s is damaged; make a new one with: camward password --reset", passwordFile(stateDir))
	}
	return p, "", nil
}

// ResetPassword replaces the password by a new random one and returns its text.
func ResetPassword(stateDir string) (p *Password, text string, err error) {
	text = randomText()
	p = newPassword()
	salt := make([]byte, 16)
	rand.Read(salt)
	p.kept = kept{
		User: User, Realm: realm,
		HA1MD5:    digestOf(algMD5, User+":"+realm+":"+text),
		HA1SHA256: digestOf(algSHA256, User+":"+realm+":"+text),
		Salt:      hex.EncodeToString(salt),
		Time:      argonTime, Memory: argonMemory,
	}
	p.kept.Hash = hex.EncodeToString(argon2.IDKey([]byte(text), salt, argonTime, argonMemory, argonThreads, argonKey))
	b, err := json.MarshalIndent(p.kept, "", " ")
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, "", fmt.Errorf("password: %w", err)
	}
	if err := atomicfile.Write(passwordFile(stateDir), b, 0o600); err != nil {
		return nil, "", fmt.Errorf("password: %w", err)
	}
	return p, text, nil
}

func newPassword() *Password {
	p := &Password{}
	rand.Read(p.key[:])
	return p
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

// allows judges Basic credentials: granted or wrong. try is asked before a password is tried that is not the last one that was
// right, by one request at a time; false keeps it from being tried.
func (p *Password) allows(r *http.Request, try func() bool) verdict {
	user, text, ok := r.BasicAuth()
	if !ok {
		return malformed
	}
	if subtle.ConstantTimeCompare([]byte(user), []byte(User)) != 1 {
		try()
		return wrong
	}
	if !p.check(text, try) {
		return wrong
	}
	return granted
}

// digests says whether the digests of both algorithms are kept. They are missing from a file that was not
// written by ResetPassword.
func (p *Password) digests() bool {
	return len(p.kept.HA1MD5) == 32 && len(p.kept.HA1SHA256) == 64
}

// ha1 gives the digest for an algorithm as the credentials name it, MD5 if they don't (RFC 7616 3.4), and the algorithm's own
// name; "" for one that is not offered.
func (p *Password) ha1(algorithm string) (alg, ha1 string) {
	switch {
	case algorithm == "" || strings.EqualFold(algorithm, algMD5):
		return algMD5, p.kept.HA1MD5
	case strings.EqualFold(algorithm, algSHA256):
		return algSHA256, p.kept.HA1SHA256
	}
	return "", ""
}

// Check says whether text is the password.
func (p *Password) Check(text string) bool {
	return p.check(text, func() bool { return true })
}

func (p *Password) check(text string, try func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock() // also keeps guesses from using many times argonMemory at once
	digest := sha256.Sum256(append(p.key[:], text...))
	if p.seen != [sha256.Size]byte{} && subtle.ConstantTimeCompare(digest[:], p.seen[:]) == 1 {
		return true
	}
	if !try() || len(text) > 256 {
		return false
	}
	salt, err1 := hex.DecodeString(p.kept.Salt)
	want, err2 := hex.DecodeString(p.kept.Hash)
	if err1 != nil || err2 != nil || p.kept.Memory > 64<<10 || p.kept.Time < 1 || p.kept.Time > 16 {
		return false
	}
	got := argon2.IDKey([]byte(text), salt, p.kept.Time, p.kept.Memory, argonThreads, uint32(len(want)))
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return false
	}
	p.seen = digest
	return true
}

// HasPassword says whether a password is kept in stateDir.
func HasPassword(stateDir string) bool {
	_, err := os.Stat(passwordFile(stateDir))
	return err == nil
}
