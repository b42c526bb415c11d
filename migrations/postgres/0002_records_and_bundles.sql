-- What is live is also written beside the bills, so that a lost catalog can be rebuilt from the store, and one daily file may
-- hold the rows of several parts.

-- How often the files of a part have been given, and which of these editions the store holds the record of.
ALTER TABLE parts ADD COLUMN edition BIGINT NOT NULL DEFAULT 1;
ALTER TABLE parts ADD COLUMN recorded BIGINT NOT NULL DEFAULT 0;

-- A file with the daily rows of several parts. Its file stands in part_files under the bundle's id. It is doomed when the last
-- part has left it, and forgotten when its file is deleted.
CREATE TABLE bundles (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    run   TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('live', 'doomed'))
);

-- Whose rows it holds, and since when a part has had them elsewhere.
CREATE TABLE bundle_parts (
    bundle  TEXT COLLATE "C" NOT NULL REFERENCES bundles (id),
    part    TEXT COLLATE "C" NOT NULL REFERENCES parts (id),
    left_at TEXT COLLATE "C",
    PRIMARY KEY (bundle, part)
);
CREATE INDEX bundle_parts_by_part ON bundle_parts (part);
