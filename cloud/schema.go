package cloud

// migrations are applied in order, each once; a released one is never changed.
var migrations = []string{`
CREATE TABLE accounts (
	id            INTEGER PRIMARY KEY,
	user_id       TEXT NOT NULL UNIQUE,              -- shown in the API
	email         TEXT NOT NULL UNIQUE COLLATE NOCASE,
	created       INTEGER NOT NULL,
	password      TEXT NOT NULL DEFAULT '',          -- argon2id; empty: only links sign in
	upload_sealed BLOB NOT NULL,                     -- the upload token, encrypted
	upload_lookup BLOB NOT NULL UNIQUE,              -- its keyed hash
	recording     INTEGER NOT NULL DEFAULT 1,
	notifications TEXT NOT NULL DEFAULT ''           -- JSON; empty: the defaults
);
CREATE TABLE oauth_tokens (
	hash    BLOB PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	scope   TEXT NOT NULL,
	created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE api_keys (
	hash    BLOB PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE signin_links (
	hash    BLOB PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (
	hash    BLOB PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cameras (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,     -- never reused: it names the content's directory
	account   INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	name      TEXT NOT NULL,
	camera_id TEXT NOT NULL DEFAULT '',              -- what uploads said; empty until then
	mac       TEXT UNIQUE,                           -- claimed by
	poll_mac  TEXT NOT NULL DEFAULT '',              -- device whose polls count as this camera's sign of life
	created   INTEGER NOT NULL,
	uploaded  INTEGER NOT NULL DEFAULT 0,            -- receive time of the last upload
	width     INTEGER NOT NULL DEFAULT 0,
	height    INTEGER NOT NULL DEFAULT 0,
	UNIQUE (account, name)
);
CREATE TABLE devices (                                -- whoever polls, claimed or not
	mac        TEXT PRIMARY KEY,
	maker      TEXT NOT NULL,
	model      TEXT NOT NULL DEFAULT '',
	ip_local   TEXT NOT NULL DEFAULT '',
	ip         TEXT NOT NULL DEFAULT '',
	user_agent TEXT NOT NULL DEFAULT '',
	first_poll INTEGER NOT NULL,
	last_poll  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE commands (                               -- what a device is told now
	mac     TEXT NOT NULL REFERENCES devices ON DELETE CASCADE,
	id      TEXT NOT NULL,
	content TEXT NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (mac, id)
) WITHOUT ROWID;
CREATE TABLE command_results (                        -- what it answered last
	mac          TEXT NOT NULL REFERENCES devices ON DELETE CASCADE,
	id           TEXT NOT NULL,
	date_updated TEXT NOT NULL,
	state        TEXT NOT NULL,
	http_status  INTEGER NOT NULL,
	answer       TEXT NOT NULL,
	at           TEXT NOT NULL,
	received     INTEGER NOT NULL,
	PRIMARY KEY (mac, id)
) WITHOUT ROWID;

CREATE TABLE events (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE,
	account  INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	camera   INTEGER NOT NULL REFERENCES cameras ON DELETE CASCADE,
	class    TEXT NOT NULL,                          -- see the eventClass constants
	level    INTEGER NOT NULL,
	earliest INTEGER NOT NULL,
	latest   INTEGER NOT NULL,
	images   INTEGER NOT NULL DEFAULT 0,
	videos   INTEGER NOT NULL DEFAULT 0,
	labels   TEXT NOT NULL DEFAULT '[]',
	changed  INTEGER NOT NULL
);
CREATE INDEX events_by_time ON events (account, earliest, seq);
CREATE INDEX events_by_camera ON events (camera, class, latest);
CREATE TABLE event_aliases (                          -- ids of events that were joined into another
	id    TEXT PRIMARY KEY,
	event TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX event_aliases_by_event ON event_aliases (event);

CREATE TABLE items (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT NOT NULL UNIQUE,
	camera       INTEGER NOT NULL REFERENCES cameras ON DELETE CASCADE,
	event        TEXT NOT NULL REFERENCES events (id),
	name         TEXT NOT NULL,                      -- file name given by the client, or empty
	sha256       BLOB NOT NULL,
	size         INTEGER NOT NULL,
	content_type TEXT NOT NULL,
	is_video     INTEGER NOT NULL,
	img_type     TEXT NOT NULL,
	alternate    INTEGER NOT NULL DEFAULT 0,
	taken        INTEGER NOT NULL,
	length       REAL NOT NULL DEFAULT 0,            -- of a video, seconds
	width        INTEGER NOT NULL DEFAULT 0,
	height       INTEGER NOT NULL DEFAULT 0,
	rotation     INTEGER NOT NULL DEFAULT 0,
	received     INTEGER NOT NULL,
	file         TEXT NOT NULL UNIQUE                -- below the content directory
);
CREATE UNIQUE INDEX items_idempotency ON items (camera, name, sha256) WHERE name != '';
CREATE INDEX items_by_event ON items (event, taken, seq);
CREATE INDEX items_latest ON items (camera, is_video, taken);
`, `
CREATE TABLE zones (
	camera   INTEGER NOT NULL REFERENCES cameras ON DELETE CASCADE,
	name     TEXT NOT NULL,
	polygons TEXT NOT NULL,                           -- JSON, as the API shows it
	PRIMARY KEY (camera, name)
) WITHOUT ROWID;
ALTER TABLE commands ADD COLUMN shown TEXT NOT NULL DEFAULT '';     -- JSON of the command, its token masked, for the device's page
ALTER TABLE commands ADD COLUMN place INTEGER NOT NULL DEFAULT 0;   -- in the list
ALTER TABLE devices ADD COLUMN trusted_ip TEXT NOT NULL DEFAULT ''; -- where the first poll, or the last one before the claim, came from
ALTER TABLE devices ADD COLUMN other_ip TEXT NOT NULL DEFAULT '';   -- the last address that was refused the token
ALTER TABLE devices ADD COLUMN other_poll INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET trusted_ip = ip;
CREATE INDEX devices_by_poll ON devices (last_poll);
`, `
CREATE TABLE camios (                                 -- shared by a view token
	id           INTEGER PRIMARY KEY,
	account      INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
	token_sealed BLOB NOT NULL,                      -- encrypted, for the owner's list
	token_lookup BLOB NOT NULL UNIQUE,               -- its hash
	name         TEXT NOT NULL,
	type         TEXT NOT NULL,
	query        TEXT NOT NULL,                      -- JSON
	created      INTEGER NOT NULL
);
CREATE INDEX camios_by_account ON camios (account, created);
`, `
CREATE TABLE camera_states (                          -- lost and found, as cameras report it
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,      -- in the order of arrival, which is that in which it happened
	camera   INTEGER NOT NULL REFERENCES cameras ON DELETE CASCADE,
	boot     TEXT NOT NULL,                          -- run of the agent
	boot_seq INTEGER NOT NULL,                       -- counts within it
	found    INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	received INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	UNIQUE (camera, boot, boot_seq)
);
CREATE INDEX camera_states_by_camera ON camera_states (camera, seq);
`, `
ALTER TABLE items ADD COLUMN motion TEXT NOT NULL DEFAULT '{}';         -- JSON of camio.Track: what moved in it
ALTER TABLE camera_states ADD COLUMN scene TEXT NOT NULL DEFAULT '';    -- what the whole picture changed to; empty: lost or found
`}
