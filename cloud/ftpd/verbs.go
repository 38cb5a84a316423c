package ftpd

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"
)

// A verb says how a command is executed and what it needs first.
type verb struct {
	run   func(c *session, ctx context.Context, arg string)
	login bool // refused before
	arg   bool // needed
	asks  bool // changes nothing: REST and RNFR stay in force
}

// verbs are the commands that are known. Any other is 502.
var verbs = map[string]verb{
	"USER": {run: (*session).cmdUser, arg: true},
	"PASS": {run: (*session).cmdPass},
	"ACCT": {run: answer(202, "No account needed")},
	"QUIT": {run: (*session).cmdQuit},
	"NOOP": {run: answer(200, "OK"), asks: true},
	"SYST": {run: answer(215, "UNIX Type: L8"), asks: true},
	"HELP": {run: (*session).cmdHelp, asks: true},
	"FEAT": {run: (*session).cmdFeat, asks: true},
	"OPTS": {run: (*session).cmdOpts, arg: true, asks: true},
	"CLNT": {run: answer(200, "OK"), asks: true},
	"STAT": {run: answer(211, "camward-cloud takes uploads"), asks: true},
	"AUTH": {run: (*session).cmdAuth, arg: true},
	"PBSZ": {run: (*session).cmdPbsz, arg: true},
	"PROT": {run: (*session).cmdProt, arg: true},
	"CCC":  {run: answer(534, "The control connection stays as it is")},

	"PWD":  {run: (*session).cmdPwd, login: true, asks: true},
	"XPWD": {run: (*session).cmdPwd, login: true, asks: true},
	"CWD":  {run: (*session).cmdCwd, login: true, arg: true},
	"XCWD": {run: (*session).cmdCwd, login: true, arg: true},
	"CDUP": {run: (*session).cmdCdup, login: true},
	"XCUP": {run: (*session).cmdCdup, login: true},
	"MKD":  {run: (*session).cmdMkd, login: true, arg: true},
	"XMKD": {run: (*session).cmdMkd, login: true, arg: true},

	"TYPE": {run: (*session).cmdType, login: true, arg: true, asks: true},
	"MODE": {run: only("S", "Mode S only"), login: true, arg: true, asks: true},
	"STRU": {run: only("F", "Structure F only"), login: true, arg: true, asks: true},
	"ALLO": {run: (*session).cmdAllo, login: true, arg: true, asks: true},
	"PASV": {run: (*session).cmdPasv, login: true, asks: true},
	"EPSV": {run: (*session).cmdEpsv, login: true, asks: true},
	"PORT": {run: (*session).cmdPort, login: true, arg: true, asks: true},
	"EPRT": {run: (*session).cmdEprt, login: true, arg: true, asks: true},
	"REST": {run: (*session).cmdRest, login: true, arg: true},
	"STOR": {run: (*session).cmdStor, login: true, arg: true},
	"APPE": {run: (*session).cmdAppe, login: true, arg: true},
	"ABOR": {run: answer(225, "Nothing to abort"), login: true},
	"LIST": {run: (*session).cmdList, login: true},
	"NLST": {run: (*session).cmdList, login: true},
	"MLSD": {run: (*session).cmdList, login: true},
	"SIZE": {run: (*session).cmdSize, login: true, arg: true, asks: true},
	"MDTM": {run: (*session).cmdMdtm, login: true, arg: true, asks: true},
	"RNFR": {run: (*session).cmdRnfr, login: true, arg: true},
	"RNTO": {run: (*session).cmdRnto, login: true, arg: true},

	"RETR": {run: refuse(550, "Files cannot be read here"), login: true},
	"DELE": {run: refuse(550, "Files cannot be deleted here"), login: true},
	"RMD":  {run: refuse(550, "Directories cannot be removed here"), login: true},
	"XRMD": {run: refuse(550, "Directories cannot be removed here"), login: true},
	"MLST": {run: refuse(550, "Files cannot be listed here"), login: true},
}

func answer(code int, text string) func(*session, context.Context, string) {
	return func(c *session, _ context.Context, _ string) { c.reply(code, "%s", text) }
}

func refuse(code int, text string) func(*session, context.Context, string) {
	return func(c *session, _ context.Context, _ string) { c.fault(code, "%s", text) }
}

// only accepts the one value of MODE and STRU that is in use.
func only(value, text string) func(*session, context.Context, string) {
	return func(c *session, _ context.Context, arg string) {
		if !strings.EqualFold(strings.TrimSpace(arg), value) {
			c.fault(504, "%s", text)
			return
		}
		c.reply(200, "%s", text)
	}
}

func (c *session) cmdQuit(context.Context, string) {
	c.reply(221, "Goodbye")
	c.closing = true
}

func (c *session) cmdHelp(context.Context, string) {
	c.send("214-Commands:\r\n USER PASS QUIT NOOP SYST FEAT OPTS AUTH PBSZ PROT PWD CWD CDUP MKD\r\n" +
		" TYPE MODE STRU ALLO PASV EPSV PORT EPRT REST STOR APPE ABOR LIST NLST SIZE MDTM RNFR RNTO\r\n214 End\r\n")
}

// cmdFeat lists the extensions (RFC 2389 3.2).
func (c *session) cmdFeat(context.Context, string) {
	f := "211-Features:\r\n"
	if c.srv.cfg.TLS != nil {
		f += " AUTH TLS\r\n PBSZ\r\n PROT\r\n"
	}
	c.send(f + " EPRT\r\n EPSV\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n211 End\r\n")
}

func (c *session) cmdOpts(_ context.Context, arg string) {
	f := strings.Fields(strings.ToUpper(arg))
	if len(f) > 0 && (f[0] == "UTF8" || f[0] == "UTF-8") && (len(f) == 1 || f[1] == "ON") {
		c.reply(200, "UTF-8 is on")
		return
	}
	c.fault(501, "No such option")
}

func (c *session) cmdUser(_ context.Context, arg string) {
	if c.login != nil {
		c.fault(503, "You are logged in")
		return
	}
	c.user = strings.TrimSpace(arg)
	c.reply(331, "Send the password") // whether there is such a user or not
}

// cmdPass logs in. After three failures the session ends; an address that goes on is refused for a while.
func (c *session) cmdPass(ctx context.Context, arg string) {
	if c.user == "" || c.login != nil {
		c.fault(503, "Send USER first")
		return
	}
	user := c.user
	if !c.srv.logins.allowed(c.remote) {
		c.user = ""
		c.log.Warn("login refused: too many failures from this address")
		c.reply(530, "Too many failed logins, wait a minute")
		c.closing = true
		return
	}
	login, err := c.srv.cfg.Backend.Login(ctx, user, arg, c.remote)
	switch {
	case errors.Is(err, ErrDenied):
		c.user = ""
		c.srv.logins.fail(c.remote)
		c.log.Info("login incorrect")
		c.fault(530, "Login incorrect")
		c.closing = c.closing || c.faults >= 3
	case err != nil:
		c.log.Error("login", zap.Error(err))
		c.reply(421, "Login is not possible now")
		c.closing = true
	default:
		c.login, c.faults = login, 0
		c.reply(230, "Logged in")
	}
}

func (c *session) cmdAuth(ctx context.Context, arg string) {
	switch mech := strings.ToUpper(strings.TrimSpace(arg)); {
	case c.srv.cfg.TLS == nil:
		c.fault(502, "TLS is not set up")
	case mech != "TLS" && mech != "TLS-C":
		c.fault(504, "AUTH TLS only")
	case c.secure:
		c.fault(503, "TLS is on")
	default:
		c.startTLS(ctx)
	}
}

// cmdPbsz and cmdProt: RFC 4217 8 and 9.
func (c *session) cmdPbsz(_ context.Context, arg string) {
	if !c.secure {
		c.fault(503, "AUTH TLS first")
		return
	}
	if _, err := parseDecimal(strings.TrimSpace(arg), 1<<32-1); err != nil {
		c.fault(501, "PBSZ 0 only")
		return
	}
	c.pbsz = true
	c.reply(200, "PBSZ=0")
}

func (c *session) cmdProt(_ context.Context, arg string) {
	switch level := strings.ToUpper(strings.TrimSpace(arg)); {
	case !c.pbsz:
		c.fault(503, "PBSZ first")
	case level == "P":
		c.private = true
		c.reply(200, "Data connections use TLS")
	case level == "C":
		c.private = false
		c.reply(200, "Data connections are plain")
	case level == "S" || level == "E":
		c.fault(536, "Not with TLS")
	default:
		c.fault(504, "No such level")
	}
}

func (c *session) cmdPwd(context.Context, string) { c.reply(257, "%s is the directory", quoted(c.cwd)) }

// cmdCwd changes to whatever is asked for: directories appear by being named.
func (c *session) cmdCwd(_ context.Context, arg string) {
	dir, err := resolve(c.cwd, arg)
	if err != nil {
		c.fault(550, "%v", err)
		return
	}
	c.cwd = dir
	c.reply(250, "%s is the directory", quoted(dir))
}

func (c *session) cmdCdup(ctx context.Context, _ string) { c.cmdCwd(ctx, "..") }

func (c *session) cmdMkd(_ context.Context, arg string) {
	dir, err := resolve(c.cwd, arg)
	if err != nil {
		c.fault(550, "%v", err)
		return
	}
	c.reply(257, "%s is there", quoted(dir))
}

// cmdType accepts what has eight bits to a byte. Nothing is converted.
func (c *session) cmdType(_ context.Context, arg string) {
	switch strings.Join(strings.Fields(strings.ToUpper(arg)), " ") {
	case "I", "A", "A N", "L 8", "L8":
		c.reply(200, "Bytes are stored as they come")
	default:
		c.fault(504, "TYPE A and I only")
	}
}

// cmdAllo warns of a file that will be refused. Its number is no promise of the file's size.
func (c *session) cmdAllo(_ context.Context, arg string) {
	size, _, _ := strings.Cut(strings.TrimSpace(arg), " ")
	n, err := parseDecimal(size, 1<<63-1)
	switch {
	case err != nil:
		c.fault(501, "ALLO needs a size")
	case int64(n) > c.srv.cfg.MaxFile:
		c.fault(552, "Files may have %d bytes at most", c.srv.cfg.MaxFile)
	default:
		c.reply(200, "Go on")
	}
}

func (c *session) cmdRest(_ context.Context, arg string) {
	n, err := parseDecimal(strings.TrimSpace(arg), 1<<63-1)
	if err != nil {
		c.fault(501, "REST needs an offset")
		return
	}
	c.rest = int64(n)
	c.reply(350, "Restarting at %d", n)
}

func (c *session) cmdSize(ctx context.Context, arg string) {
	if f, ok := c.lookUp(ctx, arg); ok {
		c.reply(213, "%d", f.size)
	}
}

// cmdMdtm tells in UTC when the last byte of a file came (RFC 3659 3).
func (c *session) cmdMdtm(ctx context.Context, arg string) {
	if f, ok := c.lookUp(ctx, arg); ok {
		c.reply(213, "%s", f.at.UTC().Truncate(time.Second).Format("20060102150405"))
	}
}

func (c *session) lookUp(ctx context.Context, arg string) (recentFile, bool) {
	p, err := resolve(c.cwd, arg)
	if err != nil {
		c.fault(550, "%v", err)
		return recentFile{}, false
	}
	f, ok := c.srv.recent.look(ctx, c.key(p))
	if !ok {
		c.reply(550, "No such file")
	}
	return f, ok
}

func (c *session) key(path []string) fileKey { return fileKey{c.user, pathOf(path)} }
