-- What approver plugins were asked, and what their outside systems call it. stage says what is
-- to be done next, next_us when; where that is empty, nothing is until something happens.
CREATE TABLE channel_ticket (
    approval      TEXT    NOT NULL REFERENCES approval (id) ON DELETE CASCADE,
    plugin        TEXT    NOT NULL,
    stage         TEXT    NOT NULL CHECK (stage IN ('submit', 'open', 'withdraw', 'closed')),
    external_id   TEXT,
    url           TEXT,
    state         BLOB,
    poll_after_ms INTEGER,
    next_us       INTEGER,
    failures      INTEGER NOT NULL CHECK (failures >= 0),
    PRIMARY KEY (plugin, approval),
    CHECK (stage NOT IN ('open', 'withdraw') OR external_id IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX channel_ticket_unfinished ON channel_ticket (plugin) WHERE stage <> 'closed';
CREATE INDEX channel_ticket_of_approval ON channel_ticket (approval);

-- What they brought: who is said to have answered, and what proves it. The journal has the
-- evidence's hash. reason says why an answer was refused.
CREATE TABLE channel_answer (
    plugin   TEXT    NOT NULL,
    approval TEXT    NOT NULL,
    said_by  TEXT    NOT NULL,
    agrees   INTEGER NOT NULL CHECK (agrees IN (0, 1)),
    standing TEXT    NOT NULL CHECK (standing IN ('taken', 'counted', 'refused')),
    reason   TEXT,
    evidence BLOB    NOT NULL CHECK (length(evidence) <= 16384),
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (plugin, approval, said_by, agrees),
    FOREIGN KEY (plugin, approval) REFERENCES channel_ticket (plugin, approval) ON DELETE CASCADE
) STRICT;
