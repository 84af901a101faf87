-- How far each exporter has got in each log: everything before next_index was acknowledged.
CREATE TABLE export_cursor (
    plugin     TEXT    NOT NULL,
    log        TEXT    NOT NULL,
    next_index INTEGER NOT NULL CHECK (next_index >= 0),
    updated_us INTEGER NOT NULL,
    PRIMARY KEY (plugin, log)
) STRICT;

-- The latest signed checkpoint of each log this database has seen, as a signed note.
CREATE TABLE journal_anchor (
    log        TEXT    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL CHECK (size >= 0),
    note       BLOB    NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
