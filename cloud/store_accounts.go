package cloud

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// ErrExists is wrapped by AddUser for an e-mail address that has an account already.
var ErrExists = errors.New("already exists")

// ErrNoUser is wrapped where an e-mail address has no account.
var ErrNoUser = errors.New("no such user")

// account is a row of the table, as handlers need it.
type account struct {
	ID            int64
	UserID        string
	Email         string
	Password      string // argon2id or empty
	UploadSealed  []byte
	Recording     bool
	Notifications string
}

const accountColumns = `a.id, a.user_id, a.email, a.password, a.upload_sealed, a.recording, a.notifications`

func scanAccount(row *sql.Row) (*account, error) {
	var a account
	err := row.Scan(&a.ID, &a.UserID, &a.Email, &a.Password, &a.UploadSealed, &a.Recording, &a.Notifications)
	if err != nil {
		return nil, found(err)
	}
	return &a, nil
}

func (s *store) accountByEmail(ctx context.Context, email string) (*account, error) {
	return scanAccount(s.r.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE email = ?`, email))
}

func (s *store) accountByOAuth(ctx context.Context, token string) (*account, error) {
	return scanAccount(s.r.QueryRowContext(ctx,
		`SELECT `+accountColumns+` FROM oauth_tokens t JOIN accounts a ON a.id = t.account WHERE t.hash = ?`, hash(token)))
}

func (s *store) accountByLookup(ctx context.Context, lookup []byte) (*account, error) {
	return scanAccount(s.r.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE upload_lookup = ?`, lookup))
}

func (s *store) accountBySession(ctx context.Context, session string, now time.Time) (*account, error) {
	return scanAccount(s.r.QueryRowContext(ctx,
		`SELECT `+accountColumns+` FROM sessions t JOIN accounts a ON a.id = t.account WHERE t.hash = ? AND t.expires > ?`,
		hash(session), millis(now)))
}

// AddUser creates an account with an OAuth token, an upload token, an API key and a sign-in link. It fails with
// ErrExists if the address has one.
func (s *Server) AddUser(ctx context.Context, email string) (Account, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return Account{}, err
	}
	a := Account{Email: email, OAuthToken: newToken(), UploadToken: newToken(), APIKey: newToken()}
	userID := newID()
	now := millis(s.now())
	var id int64
	err = s.store.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO accounts (user_id, email, created, upload_sealed, upload_lookup)
			VALUES (?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING RETURNING id`,
			userID, email, now, s.secrets.sealToken(a.UploadToken, userID), sign(s.secrets.lookup, a.UploadToken)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO oauth_tokens VALUES (?, ?, 'user', ?)`, hash(a.OAuthToken), id, now); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO api_keys VALUES (?, ?, ?)`, hash(a.APIKey), id, now)
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("add user %s: %w", email, err)
	}
	a.SigninURL, err = s.signinLink(ctx, id)
	return a, err
}

// SigninLink makes a new single-use link for an account that exists. Of the account's secrets it tells the upload
// token, the only one that can be shown again.
func (s *Server) SigninLink(ctx context.Context, email string) (Account, error) {
	acc, err := s.userByEmail(ctx, email)
	if err != nil {
		return Account{}, fmt.Errorf("sign-in link for %s: %w", email, err)
	}
	a := Account{Email: acc.Email}
	if a.UploadToken, err = s.secrets.openToken(acc.UploadSealed, acc.UserID); err != nil {
		return Account{}, err
	}
	a.SigninURL, err = s.signinLink(ctx, acc.ID)
	return a, err
}

// RotateUploadToken gives an account another upload token. The one before is worth nothing from then on: uploads with it
// are refused, its hint is unknown. Cameras that poll are told the new one by their next poll; the others have to be
// given it by hand. Of the account's secrets the result holds the new token only.
func (s *Server) RotateUploadToken(ctx context.Context, email string) (Account, error) {
	acc, err := s.userByEmail(ctx, email)
	if err != nil {
		return Account{}, fmt.Errorf("rotate the upload token of %s: %w", email, err)
	}
	token, err := s.rotate(ctx, acc)
	if err != nil {
		return Account{}, fmt.Errorf("rotate the upload token of %s: %w", email, err)
	}
	return Account{Email: acc.Email, UploadToken: token}, nil
}

// userByEmail is for the operator's verbs: whoever they name must exist.
func (s *Server) userByEmail(ctx context.Context, email string) (*account, error) {
	acc, err := s.store.accountByEmail(ctx, strings.TrimSpace(email))
	if errors.Is(err, errNotFound) {
		err = ErrNoUser
	}
	return acc, err
}

func (s *Server) rotate(ctx context.Context, acc *account) (string, error) {
	token := newToken()
	defer s.lives.recheck(acc.ID)
	return token, s.store.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE accounts SET upload_sealed = ?, upload_lookup = ? WHERE id = ?`,
			s.secrets.sealToken(token, acc.UserID), sign(s.secrets.lookup, token), acc.ID)
		return err
	})
}

// UploadToken tells an account's upload token, the only one of its secrets that can be shown again.
func (s *Server) UploadToken(ctx context.Context, email string) (Account, error) {
	acc, err := s.userByEmail(ctx, email)
	if err != nil {
		return Account{}, fmt.Errorf("upload token of %s: %w", email, err)
	}
	token, err := s.secrets.openToken(acc.UploadSealed, acc.UserID)
	return Account{Email: acc.Email, UploadToken: token}, err
}

func (s *Server) signinLink(ctx context.Context, id int64) (string, error) {
	token := newToken()
	err := s.store.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO signin_links VALUES (?, ?, ?)`, hash(token), id, millis(s.now().Add(linkLife)))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("sign-in link: %w", err)
	}
	base := s.cfg.BaseURL
	if base == "" {
		base = "http://" + s.cfg.Listen
	}
	return base + "/signin/" + token, nil
}

// cleanEmail accepts a bare address.
func cleanEmail(email string) (string, error) {
	email = strings.TrimSpace(email)
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > 254 {
		return "", fmt.Errorf("%q is not an e-mail address", email)
	}
	return email, nil
}

// A User is one line of Users.
type User struct {
	Email   string    `json:"email"`
	UserID  string    `json:"user_id"`
	Created time.Time `json:"created"`
	Cameras int       `json:"cameras"`
}

// Users lists all accounts by address.
func (s *Server) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	err := rows(ctx, s.store.r, func(r *sql.Rows) error {
		var u User
		var created int64
		err := r.Scan(&u.Email, &u.UserID, &created, &u.Cameras)
		u.Created = fromMillis(created)
		users = append(users, u)
		return err
	}, `SELECT email, user_id, created, (SELECT count(*) FROM cameras c WHERE c.account = a.id) FROM accounts a ORDER BY email`)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// linkValid tells whether a sign-in link could be used now, without using it.
func (s *store) linkValid(ctx context.Context, token string, now time.Time) (bool, error) {
	var n int
	err := s.r.QueryRowContext(ctx, `SELECT count(*) FROM signin_links WHERE hash = ? AND expires > ?`, hash(token), millis(now)).Scan(&n)
	return n == 1, err
}

// useLink consumes a sign-in link and returns the token of the session it opened.
func (s *store) useLink(ctx context.Context, token string, now time.Time) (session string, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		var id int64
		err := tx.QueryRowContext(ctx, `DELETE FROM signin_links WHERE hash = ? AND expires > ? RETURNING account`,
			hash(token), millis(now)).Scan(&id)
		if err != nil {
			return found(err)
		}
		session, err = openSession(ctx, tx, id, now)
		return err
	})
	return session, err
}

func (s *store) newSession(ctx context.Context, id int64, now time.Time) (session string, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		session, err = openSession(ctx, tx, id, now)
		return err
	})
	return session, err
}

func openSession(ctx context.Context, tx *sql.Tx, id int64, now time.Time) (string, error) {
	session := newToken()
	_, err := tx.ExecContext(ctx, `INSERT INTO sessions VALUES (?, ?, ?, ?)`,
		hash(session), id, millis(now), millis(now.Add(sessionLife)))
	return session, err
}

func (s *store) endSession(ctx context.Context, session string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash = ?`, hash(session))
		return err
	})
}

// setPassword also ends the account's other sessions: whoever knew the old password is out.
func (s *store) setPassword(ctx context.Context, id int64, password, keep string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET password = ? WHERE id = ?`, password, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE account = ? AND hash != ?`, id, hash(keep))
		return err
	})
}

func (s *store) setSettings(ctx context.Context, id int64, recording bool, notifications string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE accounts SET recording = ?, notifications = ? WHERE id = ?`, recording, notifications, id)
		return err
	})
}

// expire forgets what can no longer be used.
func (s *store) expire(ctx context.Context, now time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires <= ?`, millis(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM signin_links WHERE expires <= ?`, millis(now))
		return err
	})
}
