package cloud

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// secrets holds the keys derived from the key file beside the database. Whoever has a copy of the
// database alone can neither upload nor forge an access token.
type secrets struct {
	seal   cipher.AEAD // upload tokens at rest
	lookup []byte      // HMAC key: finds an upload token without decrypting all
	access []byte      // HMAC key: content access tokens
	csrf   []byte      // HMAC key: form tokens
	turn   []byte      // HMAC key: credentials for relaying
}

// openSecrets reads the key file, or creates it with mode 0600. Two processes that start at once agree on one key:
// the file appears by a link, which fails where another was first.
func openSecrets(path string) (*secrets, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createKey(path); err != nil {
			return nil, err
		}
		key, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("key file %s has %d bytes instead of 32; restore it from a backup", path, len(key))
	}
	derive := func(use string) []byte {
		k, err := hkdf.Key(sha256.New, key, nil, "camward-cloud "+use, 32)
		if err != nil {
			panic(err) // only for lengths beyond 255 hashes (RFC 5869 2.3)
		}
		return k
	}
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &secrets{seal: seal, lookup: derive("lookup"), access: derive("access"), csrf: derive("csrf"), turn: derive("turn")}, nil
}

func createKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	defer os.Remove(f.Name())
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("key file: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// newToken is a random secret of 130 bits, in lower-case letters and digits, so that it can be typed.
func newToken() string { return strings.ToLower(rand.Text()) }

// newID names an event or an item of content. It can't be guessed, but it is no secret.
func newID() string { return rand.Text() }

// hash is how tokens that are never shown again are stored: they are random, so plain SHA-256 is enough.
func hash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

func sign(key []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		m.Write(n[:])
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}

// sealToken encrypts an upload token for its account; openToken undoes it.
func (s *secrets) sealToken(token, user string) []byte {
	return s.seal.Seal(nil, nil, []byte(token), []byte(user))
}

func (s *secrets) openToken(sealed []byte, user string) (string, error) {
	b, err := s.seal.Open(nil, nil, sealed, []byte(user))
	if err != nil {
		return "", errors.New("upload token cannot be decrypted: the key file does not belong to this database")
	}
	return string(b), nil
}

// accessToken lets its holder fetch one content item until it expires.
func (s *secrets) accessToken(id string, expires time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()))
	b = append(b, sign(s.access, id, string(b))[:16]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *secrets) checkAccess(id, token string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 24 || !hmac.Equal(b[8:], sign(s.access, id, string(b[:8]))[:16]) {
		return false
	}
	return now.Unix() < int64(binary.BigEndian.Uint64(b))
}

// csrfToken belongs to one session and stands in each of its forms.
func (s *secrets) csrfToken(session string) string {
	return base64.RawURLEncoding.EncodeToString(sign(s.csrf, session)[:16])
}

// Argon2id parameters: the second recommended option of RFC 9106 4 with one lane, 64 MiB would let a few sign-ins
// exhaust a small server, so 19 MiB and two passes (OWASP's equivalent).
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
)

func hashPassword(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, 1, 32)
	e := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonTime, e(salt), e(sum))
}

// checkPassword compares in constant time. With an empty stored hash it does the same work and says no, so
// that the answer's time does not tell which accounts exist.
func checkPassword(stored, password string) bool {
	known := stored != ""
	if !known {
		stored = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"
	}
	var version, memory, passes int
	f := strings.Split(stored, "$")
	if len(f) != 6 || f[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(f[2]+" "+f[3], "v=%d m=%d,t=%d,p=1", &version, &memory, &passes); err != nil || version != argon2.Version {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(f[4])
	want, err2 := base64.RawStdEncoding.DecodeString(f[5])
	if err1 != nil || err2 != nil {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, uint32(passes), uint32(memory), 1, 32)
	return known && subtle.ConstantTimeCompare(got, want) == 1
}

// syncDir makes a rename or link in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
