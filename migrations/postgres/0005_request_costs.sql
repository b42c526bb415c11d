-- What the requests have cost that providers charge for, in millionths of a dollar: by source and calendar month (its first
-- day, UTC). Written before each of them, so that no number of replicas and no restart spends more than a month may cost.
CREATE TABLE request_costs (
    source TEXT COLLATE "C" NOT NULL,
    month  TEXT COLLATE "C" NOT NULL,
    micros BIGINT           NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (source, month)
);
