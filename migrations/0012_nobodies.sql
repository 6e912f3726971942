-- Counters that stand for accounts which don't exist. A wrong guess at one costs what a wrong guess at a real account does, so that
-- no clock tells who exists. Nobody reads them, and they lock nothing.

-- What stands for their organisation: PostgreSQL looks an account's up whenever its row is written twice in one transaction.
CREATE TABLE nowheres (
    id TEXT NOT NULL PRIMARY KEY
);
INSERT INTO nowheres (id) VALUES ('nowhere');

CREATE TABLE nobodies (
    id             TEXT   NOT NULL PRIMARY KEY,
    org_id         TEXT   NOT NULL DEFAULT 'nowhere' REFERENCES nowheres (id),
    failures       BIGINT NOT NULL DEFAULT 0,
    failures_since BIGINT NOT NULL DEFAULT 0,
    locked_until   BIGINT NOT NULL DEFAULT 0,
    in_a_row       BIGINT NOT NULL DEFAULT 0
);
INSERT INTO nobodies (id) VALUES
    ('nobody_00'), ('nobody_01'), ('nobody_02'), ('nobody_03'),
    ('nobody_04'), ('nobody_05'), ('nobody_06'), ('nobody_07'),
    ('nobody_08'), ('nobody_09'), ('nobody_10'), ('nobody_11'),
    ('nobody_12'), ('nobody_13'), ('nobody_14'), ('nobody_15'),
    ('nobody_16'), ('nobody_17'), ('nobody_18'), ('nobody_19'),
    ('nobody_20'), ('nobody_21'), ('nobody_22'), ('nobody_23'),
    ('nobody_24'), ('nobody_25'), ('nobody_26'), ('nobody_27'),
    ('nobody_28'), ('nobody_29'), ('nobody_30'), ('nobody_31'),
    ('nobody_32'), ('nobody_33'), ('nobody_34'), ('nobody_35'),
    ('nobody_36'), ('nobody_37'), ('nobody_38'), ('nobody_39'),
    ('nobody_40'), ('nobody_41'), ('nobody_42'), ('nobody_43'),
    ('nobody_44'), ('nobody_45'), ('nobody_46'), ('nobody_47'),
    ('nobody_48'), ('nobody_49'), ('nobody_50'), ('nobody_51'),
    ('nobody_52'), ('nobody_53'), ('nobody_54'), ('nobody_55'),
    ('nobody_56'), ('nobody_57'), ('nobody_58'), ('nobody_59'),
    ('nobody_60'), ('nobody_61'), ('nobody_62'), ('nobody_63');
