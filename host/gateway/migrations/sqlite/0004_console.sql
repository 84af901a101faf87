-- Logins that a browser has begun and not ended. The id is the SHA-256 of its cookie; a row is
-- taken out when it is used.
CREATE TABLE console_login (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    state     TEXT    NOT NULL,
    nonce     TEXT    NOT NULL,
    verifier  TEXT    NOT NULL,
    return_to TEXT    NOT NULL,
    ends_us   INTEGER NOT NULL
) STRICT;

CREATE INDEX console_login_ends ON console_login (ends_us);

-- Who is logged in to the console. The id is the SHA-256 of the session's cookie; provider_session
-- is the provider's own name for it (sid).
CREATE TABLE console_session (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    issuer           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    provider_session TEXT,
    principal        TEXT    NOT NULL,
    begun_us         INTEGER NOT NULL,
    used_us          INTEGER NOT NULL,
    ends_us          INTEGER NOT NULL
) STRICT;

CREATE INDEX console_session_person ON console_session (issuer, subject, begun_us);
