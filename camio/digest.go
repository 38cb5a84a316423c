package camio

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

const digestHeader = "Repr-Digest"

// SetDigest puts the SHA-256 of a whole body into a header (RFC 9530 3; a byte sequence as in RFC 8941 3.3.5). A camera sends it
// with an upload, and the server's answer says what it has stored.
func SetDigest(h http.Header, sum []byte) {
	h.Set(digestHeader, "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
}

// Digest reads the sha-256 member of Repr-Digest, a dictionary; nil if there is none. Other algorithms are ignored, as the
// RFC allows.
func Digest(h http.Header) ([]byte, error) {
	for _, line := range h.Values(digestHeader) {
		for member := range strings.SplitSeq(line, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(member), "=")
			if key != "sha-256" {
				continue
			}
			value, begins := strings.CutPrefix(value, ":")
			value, ends := strings.CutSuffix(value, ":")
			sum, err := base64.StdEncoding.DecodeString(value)
			if !begins || !ends || err != nil || len(sum) != sha256.Size {
				return nil, errors.New("the sha-256 of Repr-Digest is no byte sequence of 32 bytes")
			}
			return sum, nil
		}
	}
	return nil, nil
}
