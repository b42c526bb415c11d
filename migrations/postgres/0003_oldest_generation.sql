-- The generation from which on it is known what was live. Zero, unless the catalog was rebuilt from the store: what was live
-- before may be gone without a trace then.
ALTER TABLE head ADD COLUMN oldest BIGINT NOT NULL DEFAULT 0;
