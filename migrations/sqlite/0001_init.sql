-- The catalog's first shape: what is live, how it got there, and which files may be deleted.
--
-- Only TEXT and BIGINT, so that PostgreSQL takes the same statements. Times are RFC 3339 in UTC with nine decimals and
-- days YYYY-MM-DD, so text order is time order. Money is canonical decimal text and is never added up here. Lists and
-- maps are JSON text.

-- One row: the generation, raised in every transaction that can change an answer. Raising it first is what serialises
-- those transactions.
CREATE TABLE head (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL
);
INSERT INTO head (id, generation) VALUES (1, 0);

CREATE TABLE runs (
    id          TEXT   NOT NULL PRIMARY KEY,
    source      TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('running', 'committed', 'unchanged', 'refused', 'failed')),
    delivery    TEXT,
    part        TEXT,
    started_at  TEXT   NOT NULL,
    finished_at TEXT,
    row_count   BIGINT NOT NULL,
    rejected    BIGINT NOT NULL,
    unpriced    BIGINT NOT NULL,
    repairs     TEXT   NOT NULL,
    message     TEXT,
    refused     TEXT
);
CREATE INDEX runs_by_time ON runs (started_at, id);
CREATE INDEX runs_by_source ON runs (source, started_at, id);

-- A part that is being staged. Recorded before the first byte of a file is written; gone once the part is committed or
-- its files are deleted. 'doomed' has been handed to the sweeper and can never be committed.
CREATE TABLE intents (
    part       TEXT NOT NULL PRIMARY KEY,
    run        TEXT NOT NULL REFERENCES runs (id),
    source     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'abandoned', 'doomed')),
    expires_at TEXT NOT NULL
);

-- Every file of an intent or part, from before it exists until after it is deleted. The key is what makes sure that
-- sweeping one part never deletes a file of another.
CREATE TABLE part_files (
    path  TEXT NOT NULL PRIMARY KEY,
    part  TEXT NOT NULL,
    layer TEXT NOT NULL CHECK (layer IN ('charges', 'daily'))
);
CREATE INDEX part_files_by_part ON part_files (part);

-- Committed parts. live -> retired -> doomed (handed to the sweeper) -> swept (a tombstone; body is null).
CREATE TABLE parts (
    id                   TEXT   NOT NULL PRIMARY KEY,
    source               TEXT   NOT NULL,
    delivery             TEXT   NOT NULL,
    state                TEXT   NOT NULL CHECK (state IN ('live', 'retired', 'doomed', 'swept')),
    fingerprint          TEXT   NOT NULL,
    row_count            BIGINT NOT NULL,
    run                  TEXT   NOT NULL REFERENCES runs (id),
    live_at              TEXT   NOT NULL,
    live_from_generation BIGINT NOT NULL,
    retired_at           TEXT,
    retired_generation   BIGINT,
    body                 TEXT,
    CHECK ((state = 'live') = (retired_generation IS NULL)),
    CHECK ((state = 'swept') = (body IS NULL))
);
CREATE UNIQUE INDEX parts_live ON parts (source, delivery) WHERE state = 'live';
CREATE INDEX parts_by_state ON parts (state, retired_at);

-- The reconciliation of each part (P1).
CREATE TABLE balances (
    part           TEXT   NOT NULL REFERENCES parts (id),
    position       BIGINT NOT NULL,
    billing_period TEXT,
    invoice        TEXT,
    currency       TEXT   NOT NULL,
    metric         TEXT   NOT NULL,
    source         TEXT   NOT NULL,
    stored         TEXT   NOT NULL,
    rejected       TEXT   NOT NULL,
    rounding       TEXT   NOT NULL,
    PRIMARY KEY (part, position)
);

-- Which days of which billing account a part states (P4). The empty text stands for a provider or account that is not
-- stated, so that two such rows meet.
CREATE TABLE part_days (
    part            TEXT   NOT NULL REFERENCES parts (id),
    day             TEXT   NOT NULL,
    provider        TEXT   NOT NULL,
    billing_account TEXT   NOT NULL,
    currency        TEXT   NOT NULL,
    row_count       BIGINT NOT NULL,
    billed          TEXT,
    effective       TEXT,
    PRIMARY KEY (part, day, provider, billing_account, currency)
);
CREATE INDEX part_days_by_account ON part_days (provider, billing_account, day);

-- The first rejected lines of a run, and how many there were of each kind.
CREATE TABLE rejects (
    run            TEXT   NOT NULL REFERENCES runs (id),
    position       BIGINT NOT NULL,
    reason         TEXT   NOT NULL,
    file           TEXT   NOT NULL,
    line           BIGINT NOT NULL,
    field          TEXT,
    value          TEXT,
    billing_period TEXT,
    invoice        TEXT,
    currency       TEXT   NOT NULL,
    costs          TEXT   NOT NULL,
    unpriced       BIGINT NOT NULL CHECK (unpriced IN (0, 1)),
    PRIMARY KEY (run, position)
);

CREATE TABLE reject_counts (
    run       TEXT   NOT NULL REFERENCES runs (id),
    reason    TEXT   NOT NULL,
    currency  TEXT   NOT NULL,
    row_count BIGINT NOT NULL,
    unpriced  BIGINT NOT NULL,
    billed    TEXT   NOT NULL,
    PRIMARY KEY (run, reason, currency)
);

-- What a commit moved, per day.
CREATE TABLE changes (
    generation       BIGINT NOT NULL,
    day              TEXT   NOT NULL,
    provider         TEXT   NOT NULL,
    billing_account  TEXT   NOT NULL,
    currency         TEXT   NOT NULL,
    source           TEXT   NOT NULL,
    delivery         TEXT   NOT NULL,
    run              TEXT   NOT NULL REFERENCES runs (id),
    changed_at       TEXT   NOT NULL,
    rows_before      BIGINT NOT NULL,
    billed_before    TEXT,
    effective_before TEXT,
    rows_after       BIGINT NOT NULL,
    billed_after     TEXT,
    effective_after  TEXT,
    PRIMARY KEY (generation, day, provider, billing_account, currency)
);
CREATE INDEX changes_by_source ON changes (source, generation);
