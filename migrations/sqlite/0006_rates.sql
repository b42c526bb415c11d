-- Exchange rates that are published day by day, and the sources that bring them.

-- What is published for a day, all at once: 'quotes' is how much of each currency one unit of 'base' is worth, as JSON. A day that
-- is published again keeps what it was, so that who reads an older generation converts as it did: a row counts from its first
-- generation up to, but not including, its last. 'source' is who brought it, for people.
CREATE TABLE rates (
    day              TEXT   NOT NULL,
    from_generation  BIGINT NOT NULL,
    until_generation BIGINT,
    source           TEXT   NOT NULL,
    run              TEXT   NOT NULL REFERENCES runs (id),
    base             TEXT   NOT NULL,
    quotes           TEXT   NOT NULL,
    PRIMARY KEY (day, from_generation)
);
CREATE UNIQUE INDEX rates_now ON rates (day) WHERE until_generation IS NULL;

-- The generation since which they are what they are: they are read anew only when that changes.
ALTER TABLE head ADD COLUMN rates_generation BIGINT NOT NULL DEFAULT 0;

-- What a source brings. One that brings rates states no days.
ALTER TABLE sources ADD COLUMN yields TEXT NOT NULL DEFAULT 'charges' CHECK (yields IN ('charges', 'rates'));
