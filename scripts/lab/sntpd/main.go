// Command sntpd is a time server for the lab's guest (RFC 4330, a server's part of it): it tells the time that the host had when
// the job was made, plus what has passed since it was started, whatever the guest's own clock says.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	at := flag.Int64("at", 0, "the time at the start, in seconds since 1970")
	flag.Parse()
	fmt.Fprintln(os.Stderr, "sntpd:", serve(time.Unix(*at, 0)))
	os.Exit(1)
}

// serve ends with an error only.
func serve(base time.Time) error {
	began := time.Now() // with its monotonic reading: the guest's clock is going to be set
	conn, err := net.ListenPacket("udp", "127.0.0.1:123")
	if err != nil {
		return err
	}
	buf := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if n >= 48 {
			if _, err := conn.WriteTo(answer(buf[:48], base.Add(time.Since(began))), from); err != nil {
				return err
			}
		}
	}
}

// answer fills in a server's reply of stratum 1: leap 0, the request's version, mode 4.
func answer(request []byte, now time.Time) []byte {
	out := make([]byte, 48)
	out[0] = request[0]&0x38 | 4
	out[1], out[2], out[3] = 1, request[2], 0xec
	copy(out[12:], "LOCL")
	copy(out[24:32], request[40:48]) // originate: the client's transmit
	for _, at := range []int{16, 32, 40} {
		stamp(out[at:], now)
	}
	return out
}

// stamp writes seconds since 1900 and the fraction of one (RFC 4330 3).
func stamp(b []byte, t time.Time) {
	const era = 2_208_988_800
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+era))
	binary.BigEndian.PutUint32(b[4:], uint32((uint64(t.Nanosecond())<<32)/1e9))
}
