package ftpd_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"camward/cloud/ftpd"
)

func TestCommandsAndReplies(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name string
		say  []string // command, reply in turn
	}{
		{"before login", []string{"SYST", "215", "FEAT", "211-", "NOOP", "200", "PWD", "530", "STOR front/a.jpg", "530", "PASS camio", "503", "EPSV", "530", "nonsense", "500", "", "500", "QUIT", "221"}},
		{"wrong password", []string{"USER token", "331", "PASS wrong", "530", "PWD", "530", "USER token", "331", "PASS camio", "230"}},
		{"wrong user", []string{"USER nobody", "331", "PASS camio", "530"}},
		{"three failures end it", []string{"USER a", "331", "PASS b", "530", "USER a", "331", "PASS b", "530", "USER a", "331", "PASS b", "530"}},
		{"fault of the backend", []string{"USER broken", "331", "PASS camio", "421"}},
		{"directories", []string{"USER token", "331", "PASS camio", "230", "PWD", `257 "/"`, "CWD front", "250", "MKD 2026", `257 "/front/2026"`, "PWD", `257 "/front"`,
			"CWD 2026/./11//23/", "250", "PWD", `257 "/front/2026/11/23"`, "CDUP", "250", "CWD ../..", "250", "PWD", `257 "/front"`, "CWD ../../..", "250", "PWD", `257 "/"`,
			`MKD a"b`, `257 "/a""b"`, "CWD " + long, "550", "CWD " + strings.Repeat("a/", 17), "550", "CWD a\x01b", "550", "CWD", "501",
			"CWD Gr\xfcn", "250", "PWD", `257 "/Grün"`}},
		{"nothing to read", []string{"USER token", "331", "PASS camio", "230", "RETR a", "550", "DELE a", "550", "RMD a", "550", "SIZE a", "550", "MDTM a", "550",
			"RNFR a", "550", "RNTO b", "503", "LIST", "425", "SITE CHMOD 600 a", "502", "REIN", "502", "STOU", "502"}},
		{"settings", []string{"USER token", "331", "PASS camio", "230", "TYPE I", "200", "TYPE A", "200", "TYPE A N", "200", "TYPE E", "504", "MODE S", "200", "MODE B", "504",
			"STRU F", "200", "STRU R", "504", "ALLO 1000", "200", "ALLO 9999999999999", "552", "ALLO x", "501", "OPTS UTF8 ON", "200", "OPTS MLST", "501", "HELP", "214-",
			"REST 0", "350", "REST -1", "501", "ABOR", "225", "STAT", "211", "USER token", "503"}},
		{"uploads need a camera and a connection", []string{"USER token", "331", "PASS camio", "230", "STOR a.jpg", "553", "STOR front/", "553", "STOR /front/..", "553",
			"STOR front/a.jpg", "425", "CWD front", "250", "STOR a.jpg", "425", "STOR ../a.jpg", "553"}},
		{"data addresses", []string{"USER token", "331", "PASS camio", "230", "PORT 127,0,0,1,200,10", "200", "PORT 127,0,0,2,200,10", "504", "PORT 8,8,8,8,200,10", "504",
			"PORT 127,0,0,1,0,25", "504", "PORT 127,0,0,1", "501", "PORT 127,0,0,1,200,256", "501", "EPRT |1|127.0.0.1|5000|", "200", "EPRT |1|10.0.0.1|5000|", "504",
			"EPRT |1|127.0.0.1|80|", "504", "EPRT |2|::1|5000|", "504", "EPRT |3|x|5000|", "522", "EPRT", "501", "EPRT |", "501", "EPRT |1|127.0.0.1|x|", "501",
			"EPSV 1", "229", "EPSV 2", "522", "PASV", "227 Entering Passive Mode (127,0,0,1,", "EPSV ALL", "200", "PASV", "503", "PORT 127,0,0,1,200,10", "503", "EPSV", "229"}},
		{"protection", []string{"PBSZ 0", "503", "PROT P", "503", "AUTH KERBEROS_V4", "504", "AUTH SSL", "504", "CCC", "534"}},
		{"a line too long", []string{"NOOP " + strings.Repeat("y", 6000), "500", "NOOP", "200"}},
		{"Telnet commands are skipped", []string{"\xff\xf4\xff\xf2NOOP", "200", "\xff\xfb\x01NOOP", "200"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, start(t))
			c.expect("220")
			for i := 0; i < len(tt.say); i += 2 {
				c.do(tt.say[i], tt.say[i+1])
			}
		})
	}
}

func TestAFileIsStoredOnceItsFinalNameIsKnown(t *testing.T) {
	for _, temp := range []string{".a.mp4", "a.mp4.tmp", "A.PART", "a.mp4~"} {
		s := start(t)
		c := enter(t, s)
		c.upload("STOR "+temp, "body", "226")
		s.wantNothing(t)
		c.do("SIZE "+temp, "213 4")
		c.do("RNFR "+temp, "350")
		c.do("NOOP", "200")
		c.do("RNTO a.mp4", "250")
		s.want(t, "token:/front/a.mp4", []byte("body"))
		c.do("SIZE a.mp4", "213 4")
		c.do("SIZE "+temp, "550")
		if r := c.do("MDTM a.mp4", "213 20"); len(r) != len("213 20260501120000\r\n") {
			t.Errorf("MDTM: %q", r)
		}
	}
}

func TestARenameIsFinishedInANewSession(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	c.upload("STOR .a.mp4", "body", "226")
	_ = c.conn.Close()
	c = enter(t, s)
	c.do("RNFR .a.mp4", "350")
	c.do("RNTO .b.mp4", "250") // still not its final name
	s.wantNothing(t)
	c.do("RNFR /front/.b.mp4", "350")
	c.do("RNTO /back/b.mp4", "250")
	s.want(t, "token:/back/b.mp4", []byte("body"))
}

func TestRenamingAStoredFileDoesNotStoreItAgain(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	c.upload("STOR snap", "body", "226")
	c.do("RNFR snap", "350")
	c.do("RNTO a.jpg", "250")
	c.do("SIZE a.jpg", "213 4")
	s.want(t, "token:/front/snap", []byte("body"))
}

func TestOtherUsersFilesAreNotSeen(t *testing.T) {
	s := start(t)
	enter(t, s).upload("STOR .a.mp4", "body", "226")
	c := dial(t, s)
	c.expect("220")
	c.do("USER other", "331")
	c.do("PASS camio", "230")
	c.do("SIZE front/.a.mp4", "550")
	c.do("RNFR front/.a.mp4", "550")
}

func TestACutTransferIsNotAnUpload(t *testing.T) {
	tests := []struct {
		name string
		tls  bool
		end  func(t *testing.T, data net.Conn, raw *net.TCPConn)
		want string
	}{
		{"reset", false, func(t *testing.T, _ net.Conn, raw *net.TCPConn) { cut(t, raw) }, "426"},
		{"plain end", false, func(t *testing.T, _ net.Conn, raw *net.TCPConn) { _ = raw.CloseWrite() }, "226"},
		{"TLS reset", true, func(t *testing.T, _ net.Conn, raw *net.TCPConn) { cut(t, raw) }, "426"},
		{"TLS end without close_notify", true, func(t *testing.T, _ net.Conn, raw *net.TCPConn) { _ = raw.CloseWrite() }, "426"},
		{"TLS end", true, func(t *testing.T, data net.Conn, _ *net.TCPConn) { _ = data.(*tls.Conn).CloseWrite() }, "226"},
		{"silence", false, func(*testing.T, net.Conn, *net.TCPConn) {}, "426"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(c *ftpd.Config) {
				if tt.name == "silence" {
					c.DataTimeout = 100 * time.Millisecond
				}
			})
			c := enter
			if tt.tls {
				c = enterTLS
			}
			k := c(t, s)
			data, raw := k.begin("STOR a.mp4", "half of the")
			s.waitTemp(t, 11)
			tt.end(t, data, raw)
			k.expect(tt.want)
			if tt.want == "226" {
				s.want(t, "token:/front/a.mp4", []byte("half of the"))
				return
			}
			s.wantNothing(t)
			k.do("SIZE a.mp4", "213 11")
			k.do("RNFR a.mp4", "550")
			k.do("REST 12", "350")
			k.passive()
			k.do("STOR a.mp4", "554") // not that much has come
			k.do("REST 5", "350")
			k.upload("STOR a.mp4", "of the file", "226")
			s.want(t, "token:/front/a.mp4", []byte("half of the file"))
		})
	}
}

func TestALostControlConnectionEndsTheTransfer(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	data, _ := c.begin("STOR a.mp4", "half")
	s.waitTemp(t, 4)
	_ = c.raw.Close()
	_ = data.SetReadDeadline(time.Now().Add(patience))
	if _, err := data.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("data connection: %v, want its end", err)
	}
	c = enter(t, s)
	c.upload("APPE a.mp4", " and half", "226")
	s.want(t, "token:/front/a.mp4", []byte("half and half"))
}

// A client whose link died without a trace comes back while the server still waits for the first connection.
func TestANewSessionTakesOverAHalfOpenTransfer(t *testing.T) {
	s := start(t)
	dead := enter(t, s)
	dead.begin("STOR .a.mp4", "0123456789")
	s.waitTemp(t, 10)
	c := enter(t, s)
	c.do("SIZE .a.mp4", "213 10")
	c.do("REST 8", "350")
	c.upload("STOR .a.mp4", "89abc", "226")
	dead.expect("426")
	c.do("RNFR .a.mp4", "350")
	c.do("RNTO a.mp4", "250")
	s.want(t, "token:/front/a.mp4", []byte("0123456789abc"))
}

// Two cameras may share a directory and a file name.
func TestUploadsOfOneNameDoNotDisturbEachOther(t *testing.T) {
	s := start(t)
	a, b := enter(t, s), enter(t, s)
	first, _ := a.begin("STOR snap.jpg", "one")
	second, raw := b.begin("STOR snap.jpg", "second")
	s.waitTemp(t, 6)
	_ = first.Close()
	a.expect("226")
	s.want(t, "token:/front/snap.jpg", []byte("one"))
	cut(t, raw)
	b.expect("426")
	b.do("SIZE snap.jpg", "213 6")
	_ = second.Close()
}

func TestAPlainUploadIsNotWholeWhenTheControlConnectionEndsFirst(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	data, _ := c.begin("STOR a.mp4", "half")
	s.waitTemp(t, 4)
	_ = c.raw.Close()
	_ = data.Close()
	enter(t, s).do("SIZE a.mp4", "213 4")
	s.wantNothing(t)
}

func TestRestCountsForTheNextUploadOnly(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	c.upload("STOR .a", "0123456789", "226")
	c.do("REST 4", "350")
	c.do("CWD /front", "250")
	c.upload("STOR .a", "new", "226")
	c.do("SIZE .a", "213 3")
}

func TestAbortedTransfersAreNotUploads(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	c.begin("STOR a.mp4", "half")
	s.waitTemp(t, 4)
	c.do("NOOP", "200")
	c.do("STAT", "213")
	c.do("\xff\xf4\xff\xf2ABOR", "426")
	c.expect("226")
	s.wantNothing(t)
	c.upload("STOR b.mp4", "whole", "226")
	s.want(t, "token:/front/b.mp4", []byte("whole"))
}

func TestCommandsSentAheadWaitForTheTransfer(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	data, _ := c.begin("STOR a.mp4", "body")
	if _, err := io.WriteString(c.conn, "SIZE a.mp4\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = data.Close()
	c.expect("226")
	c.expect("213 4")
	c.expect("221")
}

func TestListingsAreEmpty(t *testing.T) {
	for _, enter := range []func(testing.TB, *server) *client{enter, enterTLS} {
		c := enter(t, start(t))
		for _, cmd := range []string{"LIST -la", "NLST", "MLSD"} {
			data, _ := c.begin(cmd, "")
			if got, err := io.ReadAll(data); err != nil || len(got) > 0 {
				t.Errorf("%s: %q, %v", cmd, got, err)
			}
			c.expect("226")
		}
	}
}

func TestDataFromAnotherAddressIsRefused(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	port := c.epsv()
	thief := c.connect(port, "127.0.0.2")
	own := c.connect(port, "127.0.0.1")
	c.do("STOR a.mp4", "150")
	_, _ = io.WriteString(thief, "forged")
	_, _ = io.WriteString(own, "body")
	_ = own.Close()
	c.expect("226")
	s.want(t, "token:/front/a.mp4", []byte("body"))
}

func TestPassivePortsAndAddressAreThoseConfigured(t *testing.T) {
	s := start(t, func(c *ftpd.Config) { c.PublicHost, c.PortLow, c.PortHigh = "203.0.113.9", 39710, 39711 })
	c := enter(t, s)
	var h, l int
	r := c.do("PASV", "227")
	if _, err := fmt.Sscanf(r[strings.Index(r, "("):], "(203,0,113,9,%d,%d)", &h, &l); err != nil || h<<8|l < 39710 || h<<8|l > 39711 {
		t.Errorf("PASV: %q", r)
	}
	enter(t, s).epsv()
	enter(t, s).do("EPSV", "425") // both are taken
	c.do("PORT 127,0,0,1,200,10", "200")
	enter(t, s).epsv() // one is free again
}

func TestFaultsOfTheBackend(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: neither a picture\r\n220 nor a video", ftpd.ErrRefused), "553 file refused: neither a picture  220 nor a video\r\n"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "452"},
		{fmt.Errorf("token: %w", ftpd.ErrDenied), "530"},
		{errors.New("database is locked"), "451 Not stored, try again\r\n"},
	}
	for _, tt := range tests {
		s := start(t)
		c := enter(t, s)
		s.failWith(tt.err)
		c.upload("STOR a.jpg", "body", tt.want)
		c.do("SIZE a.jpg", "550")
		c.upload("STOR a.tmp", "body", "226")
		c.do("RNFR a.tmp", "350")
		c.do("RNTO a.jpg", tt.want)
		c.do("SIZE a.jpg", "550")
		s.failWith(nil)
		c.upload("STOR a.jpg", "body", "226")
		s.want(t, "token:/front/a.jpg", []byte("body"))
	}
}

func TestADiskThatRefusesIs452(t *testing.T) {
	s := start(t)
	c := enter(t, s)
	if err := os.Remove(s.temp); err != nil {
		t.Fatal(err)
	}
	c.passive()
	c.do("STOR a.jpg", "452")
	s.wantNothing(t)
}

func TestAFileAboveTheLimitIs552(t *testing.T) {
	s := start(t, func(c *ftpd.Config) { c.MaxFile = 1000 })
	c := enter(t, s)
	c.upload("STOR a.jpg", string(blob(1000)), "226")
	c.begin("STOR b.jpg", string(blob(1001)))
	c.expect("552")
	_, raw := c.begin("STOR c.jpg", string(blob(600)))
	s.waitTemp(t, 600)
	cut(t, raw)
	c.expect("426")
	c.begin("APPE c.jpg", string(blob(401)))
	c.expect("552")
	c.do("SIZE c.jpg", "550")
	s.want(t, "token:/front/a.jpg", blob(1000))
}

func TestSessionsAreLimited(t *testing.T) {
	for _, change := range []func(*ftpd.Config){
		func(c *ftpd.Config) { c.MaxSessions = 2 },
		func(c *ftpd.Config) { c.MaxSessionsPerAddr = 2 },
	} {
		s := start(t, change)
		a, b := enter(t, s), enter(t, s)
		dial(t, s).expect("421")
		a.do("QUIT", "221")
		b.do("NOOP", "200")
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if strings.HasPrefix(dial(t, s).reply(), "220") {
				break
			}
			if time.Now().After(end) {
				t.Fatal("no session was freed")
			}
		}
	}
}

func TestAnIdleSessionEnds(t *testing.T) {
	s := start(t, func(c *ftpd.Config) { c.IdleTimeout = 150 * time.Millisecond })
	c := enter(t, s)
	data, _ := c.begin("STOR a.mp4", "bo")
	time.Sleep(400 * time.Millisecond) // a transfer is not idle
	_, _ = io.WriteString(data, "dy")
	_ = data.Close()
	c.expect("226")
	c.expect("421")
	s.want(t, "token:/front/a.mp4", []byte("body"))
}

func TestFailedLoginsAreLimited(t *testing.T) {
	s := start(t)
	for range 4 {
		c := dial(t, s)
		c.expect("220")
		for range 3 {
			_, _ = io.WriteString(c.conn, "USER guess\r\nPASS camio\r\n")
			if r := c.reply() + c.reply(); r != "" && (!strings.HasPrefix(r, "331") || !strings.Contains(r, "\n530 ")) {
				t.Errorf("got %q", r)
			}
		}
	}
	c := dial(t, s)
	c.expect("220")
	c.do("USER token", "331")
	c.do("PASS camio", "530 Too many")
}

func TestCommandsSentAheadOfTLSAreNotExecuted(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	c.expect("220")
	c.do("AUTH TLS\r\nUSER token", "503")
	if got := c.reply(); got != "" {
		t.Errorf("got %q, want the end", got)
	}
}

func TestTheTransferFinishesWhenTheServerStops(t *testing.T) {
	s := start(t)
	idle, c := enter(t, s), enter(t, s)
	data, _ := c.begin("STOR a.mp4", "bo")
	s.waitTemp(t, 2)
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	idle.expect("421")
	_, _ = io.WriteString(data, "dy")
	_ = data.Close()
	c.expect("226")
	<-stopped
	s.want(t, "token:/front/a.mp4", []byte("body"))
}

// An upload that is whole is stored although its client is gone.
func TestStoringOutlivesTheClient(t *testing.T) {
	s := start(t)
	s.hold = make(chan struct{})
	c := enter(t, s)
	data, _ := c.begin("STOR a.mp4", "body")
	_ = data.Close()
	<-s.hold
	_ = c.raw.Close()
	d := enter(t, s)
	time.AfterFunc(50*time.Millisecond, func() { s.hold <- struct{}{} })
	d.do("SIZE a.mp4", "213 4") // waits for the outcome
	s.want(t, "token:/front/a.mp4", []byte("body"))
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := ftpd.New(ftpd.Config{PortLow: 5, PortHigh: 4, PublicHost: "::1", MaxFile: -1})
	for _, want := range []string{"listen", "temporary", "backend", "5-4", "::1", "below zero"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not name %q", err, want)
		}
	}
}
