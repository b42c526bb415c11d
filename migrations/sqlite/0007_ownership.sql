-- Whose cost it is: teams, components, maps of spellings, pools, series and rules; what was changed by whom; what is counted beside
-- cost; what happened to components.

-- What is said of a name, as JSON. What is changed keeps what it was, so that who reads an older generation sees the teams of then:
-- a row counts from its first generation up to, but not including, its last. 'place' orders rules. 'origin' is who says it.
CREATE TABLE ownership (
    kind             TEXT   NOT NULL CHECK (kind IN ('team', 'component', 'map', 'pool', 'series', 'rule')),
    name             TEXT   NOT NULL,
    from_generation  BIGINT NOT NULL,
    until_generation BIGINT,
    place            BIGINT NOT NULL,
    origin           TEXT   NOT NULL CHECK (origin IN ('api', 'file', 'backstage')),
    body             TEXT   NOT NULL,
    PRIMARY KEY (kind, name, from_generation)
);
CREATE UNIQUE INDEX ownership_now ON ownership (kind, name) WHERE until_generation IS NULL;

-- The generation since which it is what it is: it is read anew only when that changes. And that which the store holds the record of.
ALTER TABLE head ADD COLUMN ownership_generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN ownership_recorded BIGINT NOT NULL DEFAULT 0;

-- Every change of the above, for ever.
CREATE TABLE audit (
    generation  BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    changed_at  TEXT   NOT NULL,
    changed_by  TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    body_before TEXT,
    body_after  TEXT,
    PRIMARY KEY (generation, position)
);
CREATE INDEX audit_by_name ON audit (kind, name, generation);

-- What a series counts on a day. The empty text stands for no team, or no component. 'amount' is canonical decimal text; 'told_at' is
-- when it was last said.
CREATE TABLE series_points (
    series    TEXT NOT NULL,
    day       TEXT NOT NULL,
    team      TEXT NOT NULL,
    component TEXT NOT NULL,
    amount    TEXT NOT NULL,
    told_at   TEXT NOT NULL,
    PRIMARY KEY (series, day, team, component)
);

-- What happened to a component. The key is what makes telling it twice tell it once.
CREATE TABLE events (
    component   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    version     TEXT NOT NULL,
    happened_at TEXT NOT NULL,
    body        TEXT NOT NULL,
    told_at     TEXT NOT NULL,
    PRIMARY KEY (component, kind, version, happened_at)
);
CREATE INDEX events_by_time ON events (happened_at, component);

-- One row: the generation up to which every charge has the owner, and every pool the split, that it should have; and who is at it.
-- 'fence' counts how often a replica has taken it on.
CREATE TABLE settling (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    settled     BIGINT NOT NULL,
    fence       BIGINT NOT NULL,
    holder      TEXT,
    expires_at  TEXT,
    started_at  TEXT,
    finished_at TEXT,
    progress    TEXT   NOT NULL,
    message     TEXT,
    CHECK ((holder IS NULL) = (expires_at IS NULL))
);
INSERT INTO settling (id, settled, fence, progress) VALUES (1, 0, 0, '{}');

-- The pool whose cost it splits, of a part that holds transfers between teams and no charges. What can be computed anew from bills
-- is not recorded beside them.
ALTER TABLE parts ADD COLUMN pool TEXT;
