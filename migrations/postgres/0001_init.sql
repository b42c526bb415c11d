-- The catalog's first shape: what is live, how it got there, and which files may be deleted.
--
-- The same as migrations/sqlite/0001_init.sql, whose notes hold here, too. Text is compared byte by byte (COLLATE "C"), as
-- SQLite does, so that both databases sort alike whatever a database's locale is.

-- One row: the generation, raised in every transaction that can change an answer. Raising it first is what serialises
-- those transactions.
CREATE TABLE head (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL
);
INSERT INTO head (id, generation) VALUES (1, 0);

CREATE TABLE runs (
    id          TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    source      TEXT COLLATE "C"   NOT NULL,
    kind        TEXT COLLATE "C"   NOT NULL,
    state       TEXT COLLATE "C"   NOT NULL CHECK (state IN ('running', 'committed', 'unchanged', 'refused', 'failed')),
    delivery    TEXT COLLATE "C",
    part        TEXT COLLATE "C",
    started_at  TEXT COLLATE "C"   NOT NULL,
    finished_at TEXT COLLATE "C",
    row_count   BIGINT NOT NULL,
    rejected    BIGINT NOT NULL,
    unpriced    BIGINT NOT NULL,
    repairs     TEXT COLLATE "C"   NOT NULL,
    message     TEXT COLLATE "C",
    refused     TEXT COLLATE "C"
);
CREATE INDEX runs_by_time ON runs (started_at, id);
CREATE INDEX runs_by_source ON runs (source, started_at, id);

-- A part that is being staged. Recorded before the first byte of a file is written; gone once the part is committed or
-- its files are deleted. 'doomed' has been handed to the sweeper and can never be committed.
CREATE TABLE intents (
    part       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    run        TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    source     TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'abandoned', 'doomed')),
    expires_at TEXT COLLATE "C" NOT NULL
);

-- Every file of an intent or part, from before it exists until after it is deleted. The key is what makes sure that
-- sweeping one part never deletes a file of another.
CREATE TABLE part_files (
    path  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    part  TEXT COLLATE "C" NOT NULL,
    layer TEXT COLLATE "C" NOT NULL CHECK (layer IN ('charges', 'daily'))
);
CREATE INDEX part_files_by_part ON part_files (part);

-- Committed parts. live -> retired -> doomed (handed to the sweeper) -> swept (a tombstone; body is null).
CREATE TABLE parts (
    id                   TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    source               TEXT COLLATE "C"   NOT NULL,
    delivery             TEXT COLLATE "C"   NOT NULL,
    state                TEXT COLLATE "C"   NOT NULL CHECK (state IN ('live', 'retired', 'doomed', 'swept')),
    fingerprint          TEXT COLLATE "C"   NOT NULL,
    row_count            BIGINT NOT NULL,
    run                  TEXT COLLATE "C"   NOT NULL REFERENCES runs (id),
    live_at              TEXT COLLATE "C"   NOT NULL,
    live_from_generation BIGINT NOT NULL,
    retired_at           TEXT COLLATE "C",
    retired_generation   BIGINT,
    body                 TEXT COLLATE "C",
    CHECK ((state = 'live') = (retired_generation IS NULL)),
    CHECK ((state = 'swept') = (body IS NULL))
);
CREATE UNIQUE INDEX parts_live ON parts (source, delivery) WHERE state = 'live';
CREATE INDEX parts_by_state ON parts (state, retired_at);

-- The reconciliation of each part (P1).
CREATE TABLE balances (
    part           TEXT COLLATE "C"   NOT NULL REFERENCES parts (id),
    position       BIGINT NOT NULL,
    billing_period TEXT COLLATE "C",
    invoice        TEXT COLLATE "C",
    currency       TEXT COLLATE "C"   NOT NULL,
    metric         TEXT COLLATE "C"   NOT NULL,
    source         TEXT COLLATE "C"   NOT NULL,
    stored         TEXT COLLATE "C"   NOT NULL,
    rejected       TEXT COLLATE "C"   NOT NULL,
    rounding       TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (part, position)
);

-- Which days of which billing account a part states (P4). The empty text stands for a provider or account that is not
-- stated, so that two such rows meet.
CREATE TABLE part_days (
    part            TEXT COLLATE "C"   NOT NULL REFERENCES parts (id),
    day             TEXT COLLATE "C"   NOT NULL,
    provider        TEXT COLLATE "C"   NOT NULL,
    billing_account TEXT COLLATE "C"   NOT NULL,
    currency        TEXT COLLATE "C"   NOT NULL,
    row_count       BIGINT NOT NULL,
    billed          TEXT COLLATE "C",
    effective       TEXT COLLATE "C",
    PRIMARY KEY (part, day, provider, billing_account, currency)
);
CREATE INDEX part_days_by_account ON part_days (provider, billing_account, day);

-- The first rejected lines of a run, and how many there were of each kind.
CREATE TABLE rejects (
    run            TEXT COLLATE "C"   NOT NULL REFERENCES runs (id),
    position       BIGINT NOT NULL,
    reason         TEXT COLLATE "C"   NOT NULL,
    file           TEXT COLLATE "C"   NOT NULL,
    line           BIGINT NOT NULL,
    field          TEXT COLLATE "C",
    value          TEXT COLLATE "C",
    billing_period TEXT COLLATE "C",
    invoice        TEXT COLLATE "C",
    currency       TEXT COLLATE "C"   NOT NULL,
    costs          TEXT COLLATE "C"   NOT NULL,
    unpriced       BIGINT NOT NULL CHECK (unpriced IN (0, 1)),
    PRIMARY KEY (run, position)
);

CREATE TABLE reject_counts (
    run       TEXT COLLATE "C"   NOT NULL REFERENCES runs (id),
    reason    TEXT COLLATE "C"   NOT NULL,
    currency  TEXT COLLATE "C"   NOT NULL,
    row_count BIGINT NOT NULL,
    unpriced  BIGINT NOT NULL,
    billed    TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (run, reason, currency)
);

-- What a commit moved, per day.
CREATE TABLE changes (
    generation       BIGINT NOT NULL,
    day              TEXT COLLATE "C"   NOT NULL,
    provider         TEXT COLLATE "C"   NOT NULL,
    billing_account  TEXT COLLATE "C"   NOT NULL,
    currency         TEXT COLLATE "C"   NOT NULL,
    source           TEXT COLLATE "C"   NOT NULL,
    delivery         TEXT COLLATE "C"   NOT NULL,
    run              TEXT COLLATE "C"   NOT NULL REFERENCES runs (id),
    changed_at       TEXT COLLATE "C"   NOT NULL,
    rows_before      BIGINT NOT NULL,
    billed_before    TEXT COLLATE "C",
    effective_before TEXT COLLATE "C",
    rows_after       BIGINT NOT NULL,
    billed_after     TEXT COLLATE "C",
    effective_after  TEXT COLLATE "C",
    PRIMARY KEY (generation, day, provider, billing_account, currency)
);
CREATE INDEX changes_by_source ON changes (source, generation);
