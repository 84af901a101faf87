-- Time-boxed permissions. Each has an end, and each came from one approval. Lists are JSON.
CREATE TABLE grants (
    id         TEXT    NOT NULL PRIMARY KEY,
    principal  TEXT    NOT NULL,
    delegation TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    terms      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    approval   TEXT    NOT NULL UNIQUE,
    begins_us  INTEGER NOT NULL,
    ends_us    INTEGER NOT NULL CHECK (ends_us > begins_us),
    revoked_us INTEGER,
    revoked_by TEXT,
    used_us    INTEGER,
    -- 1 once its end is written down.
    closed     INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)),
    CHECK ((revoked_us IS NULL) = (revoked_by IS NULL))
) STRICT;

CREATE INDEX grants_open ON grants (ends_us) WHERE closed = 0;
CREATE INDEX grants_of_principal ON grants (principal, id);

-- Who or what is shut out, and was. value is empty where everything is.
CREATE TABLE locks (
    id        TEXT    NOT NULL PRIMARY KEY,
    kind      TEXT    NOT NULL CHECK (kind IN ('principal', 'resource', 'all')),
    value     TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    set_by    TEXT    NOT NULL,
    since_us  INTEGER NOT NULL,
    lifted_us INTEGER,
    lifted_by TEXT,
    CHECK ((lifted_us IS NULL) = (lifted_by IS NULL))
) STRICT;

CREATE INDEX locks_in_force ON locks (since_us) WHERE lifted_us IS NULL;

-- When each principal last connected to each resource. groups is JSON.
CREATE TABLE principal_seen (
    principal TEXT    NOT NULL,
    resource  TEXT    NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('person', 'agent')),
    identity  TEXT    NOT NULL,
    groups    TEXT    NOT NULL,
    last_us   INTEGER NOT NULL,
    PRIMARY KEY (principal, resource)
) STRICT, WITHOUT ROWID;

CREATE INDEX principal_seen_last ON principal_seen (last_us);
