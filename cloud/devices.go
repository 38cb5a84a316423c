package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"camward/camio"
)

// device is a row of the table: who polls, claimed or not.
type device struct {
	MAC       string
	Maker     string
	Model     string
	Local     string     // ip_address_local, as the device says
	IP        netip.Addr // where the last poll came from
	UserAgent string
	FirstPoll time.Time
	LastPoll  time.Time
	Trusted   netip.Addr // where the first poll came from, or the last one before the claim
	Other     netip.Addr // another network that polled for it, see notePoll; invalid if none did
	OtherPoll time.Time
}

// deviceByMAC finds who polls with a MAC address, or errNotFound.
func deviceByMAC(ctx context.Context, q querier, mac string) (*device, error) {
	d := device{MAC: mac}
	var ip, trusted, other string
	var first, last, otherPoll int64
	err := q.QueryRowContext(ctx, `SELECT maker, model, ip_local, ip, user_agent, first_poll, last_poll, trusted_ip, other_ip, other_poll
		FROM devices WHERE mac = ?`, mac).Scan(&d.Maker, &d.Model, &d.Local, &ip, &d.UserAgent, &first, &last, &trusted, &other, &otherPoll)
	if err != nil {
		return nil, found(err)
	}
	d.IP, _ = netip.ParseAddr(ip)
	d.Trusted, _ = netip.ParseAddr(trusted)
	d.Other, _ = netip.ParseAddr(other)
	d.FirstPoll, d.LastPoll, d.OtherPoll = fromMillis(first), fromMillis(last), fromMillis(otherPoll)
	return &d, nil
}

// notePoll records a poll. old is the device so far, nil at its first poll. A change of network is kept beside the new
// address: while two networks poll with one MAC address, one of them is not the camera (or it has just moved).
func notePoll(ctx context.Context, tx *sql.Tx, old, d *device, now time.Time) error {
	d.FirstPoll, d.LastPoll, d.Trusted = now, now, d.IP
	if old != nil {
		d.FirstPoll, d.Trusted, d.Other, d.OtherPoll = old.FirstPoll, old.Trusted, old.Other, old.OtherPoll
		d.Local = or(d.Local, old.Local)
		if !nearby(old.IP, d.IP) {
			d.Other, d.OtherPoll = old.IP, old.LastPoll
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO devices (mac, maker, model, ip_local, ip, user_agent, first_poll, last_poll, trusted_ip, other_ip, other_poll)
		VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) ON CONFLICT (mac) DO UPDATE SET maker = ?2, model = ?3, ip_local = ?4,
		ip = ?5, user_agent = ?6, last_poll = ?8, other_ip = ?10, other_poll = ?11`,
		d.MAC, d.Maker, d.Model, d.Local, addrText(d.IP), d.UserAgent, millis(d.FirstPoll), millis(d.LastPoll), addrText(d.Trusted), addrText(d.Other), millis(d.OtherPoll))
	return err
}

// noteStranger records a poll from an address that does not get the owner's token, and nothing else of it.
func noteStranger(ctx context.Context, tx *sql.Tx, mac string, from netip.Addr, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE devices SET other_ip = ?2, other_poll = ?3 WHERE mac = ?1`, mac, addrText(from), millis(now))
	return err
}

// trustLast makes the address that polled last the one that is given the token.
func trustLast(ctx context.Context, tx *sql.Tx, mac string) error {
	_, err := tx.ExecContext(ctx, `UPDATE devices SET trusted_ip = CASE WHEN other_poll > last_poll THEN other_ip ELSE ip END,
		other_ip = '', other_poll = 0 WHERE mac = ?`, mac)
	return err
}

// trust makes an address the one that is given the token.
func trust(ctx context.Context, tx *sql.Tx, mac string, ip netip.Addr) error {
	_, err := tx.ExecContext(ctx, `UPDATE devices SET trusted_ip = ?2, other_ip = '', other_poll = 0 WHERE mac = ?1`, mac, addrText(ip))
	return err
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// sameSource tells whether two requests come from one subscriber's address: for IPv6 one /64, within which a device changes its
// address as it likes (RFC 8981).
func sameSource(a, b netip.Addr) bool {
	if a.Is6() && b.Is6() && !a.Is4In6() && !b.Is4In6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.Contains(b.WithZone(""))
	}
	return a.IsValid() && a == b
}

// nearby tells whether two requests come from one place as far as that can be seen: from one source, or, where the server itself
// stands in the local network, both from private addresses (RFC 1918, RFC 4193), the link's or this machine's.
func nearby(a, b netip.Addr) bool {
	local := func(x netip.Addr) bool { return x.IsPrivate() || x.IsLoopback() || x.IsLinkLocalUnicast() }
	return sameSource(a, b) || local(a) && local(b)
}

// maxAnswer bounds what is kept of a firmware's answer, in bytes; see camio.Result.
const maxAnswer = 200

// storeResults keeps what became of each command as it stands now. A result for a command that the device was not told, or
// for an earlier version of it, is no news and is dropped, so that no stranger fills the table.
func storeResults(ctx context.Context, tx *sql.Tx, mac string, results []camio.Result, now time.Time) error {
	for _, c := range results {
		var updated int64
		err := found(tx.QueryRowContext(ctx, `SELECT updated FROM commands WHERE mac = ? AND id = ?`, mac, c.ID).Scan(&updated))
		if err == errNotFound || err == nil && c.DateUpdated != camio.FormatTime(fromMillis(updated)) {
			continue
		}
		if err != nil {
			return err
		}
		var at string
		if !c.At.IsZero() {
			at = camio.FormatTime(c.At.Time)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO command_results VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (mac, id) DO UPDATE SET
			date_updated = ?3, state = ?4, http_status = ?5, answer = ?6, at = ?7, received = ?8`,
			mac, c.ID, c.DateUpdated, tame(c.State, 30), c.HTTPStatus, tame(c.Answer, maxAnswer), at, millis(now))
		if err != nil {
			return err
		}
	}
	return nil
}

// tame makes a stranger's text fit to show: at most n bytes in one line, without control characters and without those that
// change the order of what is around them.
func tame(s string, n int) string {
	s = strings.Join(strings.FieldsFunc(clip(s, 4*n), func(c rune) bool { return c < ' ' || c == 0x7F || c == ' ' }), " ")
	return clip(strings.Map(func(c rune) rune {
		if !isShown(c) {
			return '\uFFFD'
		}
		return c
	}, s), n)
}

// told is a command as its device was last told it, with the token masked, and what came back.
type told struct {
	camio.Command
	Updated  time.Time
	Result   *camio.Result // nil: nothing reported for this version
	Received time.Time     // when the result came
}

// toldCommands lists what a device is told, in the order in which it was.
func toldCommands(ctx context.Context, q querier, mac string) ([]told, error) {
	var list []told
	err := rows(ctx, q, func(r *sql.Rows) error {
		var t told
		var shown, state, answer, at, of string
		var updated, received int64
		var status int
		if err := r.Scan(&t.ID, &shown, &updated, &of, &state, &status, &answer, &at, &received); err != nil {
			return err
		}
		if shown != "" {
			if err := json.Unmarshal([]byte(shown), &t.Command); err != nil {
				return err
			}
		}
		t.Updated, t.Received = fromMillis(updated), fromMillis(received)
		t.DateUpdated = camio.FormatTime(t.Updated)
		if of == t.DateUpdated {
			t.Result = &camio.Result{ID: t.ID, DateUpdated: of, State: state, HTTPStatus: status, Answer: answer}
			if parsed, err := camio.ParseTime(at); err == nil {
				t.Result.At.Time = parsed
			}
		}
		list = append(list, t)
		return nil
	}, `SELECT c.id, c.shown, c.updated, coalesce(r.date_updated, ''), coalesce(r.state, ''), coalesce(r.http_status, 0), coalesce(r.answer, ''),
		coalesce(r.at, ''), coalesce(r.received, 0) FROM commands c LEFT JOIN command_results r ON r.mac = c.mac AND r.id = c.id WHERE c.mac = ?
		ORDER BY c.place, c.id`, mac)
	return list, err
}

// forgetCommands drops what a device was told, so that a later claim starts anew and its owner sees nothing of the one before.
func forgetCommands(ctx context.Context, tx *sql.Tx, mac string) error {
	for _, q := range []string{`DELETE FROM command_results WHERE mac = ?`, `DELETE FROM commands WHERE mac = ?`} {
		if _, err := tx.ExecContext(ctx, q, mac); err != nil {
			return err
		}
	}
	return nil
}
