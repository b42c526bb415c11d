-- Sources, and the jobs that collect them: work that takes time is a row that any replica's scheduler takes on.

-- What the configuration says of each source, and what it said last of one that is no longer in it. A source that
-- stands here not at all (bills that were imported) is a primary one. 'role_since' is the generation since which it has had
-- its role: who reads an older one cannot be told which parts counted then.
CREATE TABLE sources (
    name            TEXT   NOT NULL PRIMARY KEY,
    kind            TEXT   NOT NULL,
    role            TEXT   NOT NULL CHECK (role IN ('primary', 'shadow')),
    role_since      BIGINT NOT NULL,
    schedule        TEXT,
    place           TEXT   NOT NULL,
    restates_months BIGINT NOT NULL,
    configured      BIGINT NOT NULL CHECK (configured IN (0, 1)),
    last_tick       TEXT,
    succeeded_at    TEXT
);

-- One row for each time a source is collected. 'fence' counts how often a replica has taken it on: a commit on its behalf
-- names the number it was taken on with, and fails when another replica has had it since.
CREATE TABLE jobs (
    id           TEXT   NOT NULL PRIMARY KEY,
    source       TEXT   NOT NULL REFERENCES sources (name),
    state        TEXT   NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    requested_at TEXT   NOT NULL,
    requested_by TEXT   NOT NULL CHECK (requested_by IN ('schedule', 'cli', 'api')),
    from_day     TEXT,
    to_day       TEXT,
    force        TEXT   NOT NULL,
    holder       TEXT,
    expires_at   TEXT,
    fence        BIGINT NOT NULL,
    started_at   TEXT,
    finished_at  TEXT,
    progress     TEXT   NOT NULL,
    message      TEXT,
    CHECK ((from_day IS NULL) = (to_day IS NULL)),
    CHECK ((state = 'running') = (expires_at IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_queued ON jobs (source) WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_running ON jobs (source) WHERE state = 'running';
CREATE INDEX jobs_by_time ON jobs (requested_at, id);
CREATE INDEX jobs_by_source ON jobs (source, requested_at, id);

-- The job a run was made for, where it was made for one.
ALTER TABLE runs ADD COLUMN job TEXT;
CREATE INDEX runs_by_job ON runs (job, started_at, id);

-- A part may have a third file: what the provider answered.
CREATE TABLE part_files_with_raw (
    path  TEXT NOT NULL PRIMARY KEY,
    part  TEXT NOT NULL,
    layer TEXT NOT NULL CHECK (layer IN ('charges', 'daily', 'raw'))
);
INSERT INTO part_files_with_raw (path, part, layer) SELECT path, part, layer FROM part_files;
DROP TABLE part_files;
ALTER TABLE part_files_with_raw RENAME TO part_files;
CREATE INDEX part_files_by_part ON part_files (part);

-- Nobody asks by it.
DROP INDEX bundle_parts_by_part;
