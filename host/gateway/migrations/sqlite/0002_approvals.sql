-- Questions put to people. principal, quorum and shown (what people decide by) are JSON;
-- requester is the principal's ISSUER|SUBJECT. Who answered what stands in approval_vote.
CREATE TABLE approval (
    id            TEXT    NOT NULL PRIMARY KEY,
    subject       TEXT    NOT NULL CHECK (subject IN ('operation', 'grant')),
    content       BLOB    NOT NULL CHECK (length(content) = 32),
    requester     TEXT    NOT NULL,
    principal     TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    quorum        TEXT    NOT NULL,
    waiting       TEXT,
    asked_us      INTEGER NOT NULL,
    decide_by_us  INTEGER NOT NULL,
    use_within_us INTEGER NOT NULL,
    approved_us   INTEGER,
    standing      TEXT    NOT NULL
        CHECK (standing IN ('pending', 'approved', 'denied', 'expired', 'withdrawn', 'used')),
    revision      INTEGER NOT NULL CHECK (revision >= 0),
    used_by       TEXT,
    ended_us      INTEGER,
    shown         TEXT    NOT NULL,
    CHECK ((ended_us IS NULL) = (standing IN ('pending', 'approved'))),
    CHECK (standing <> 'approved' OR approved_us IS NOT NULL)
) STRICT;

-- Nobody is asked the same twice at a time.
CREATE UNIQUE INDEX approval_open ON approval (requester, content)
    WHERE standing IN ('pending', 'approved');
-- Ids sort by the time they were made: this is the order of the inbox.
CREATE INDEX approval_inbox ON approval (standing, id);
CREATE INDEX approval_of_requester ON approval (requester, id);
CREATE INDEX approval_ended ON approval (ended_us) WHERE ended_us IS NOT NULL;

-- One answer a person. place counts them from 0; voter_groups is a JSON list.
CREATE TABLE approval_vote (
    approval     TEXT    NOT NULL REFERENCES approval (id) ON DELETE CASCADE,
    voter        TEXT    NOT NULL,
    place        INTEGER NOT NULL,
    voter_groups TEXT    NOT NULL,
    agrees       INTEGER NOT NULL CHECK (agrees IN (0, 1)),
    comment      TEXT    NOT NULL,
    at_us        INTEGER NOT NULL,
    channel      TEXT    NOT NULL,
    PRIMARY KEY (approval, voter)
) STRICT, WITHOUT ROWID;
