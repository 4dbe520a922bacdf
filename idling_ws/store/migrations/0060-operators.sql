-- What an operator does from the admin page: one connection can be ended on whichever instance it is,
-- and people are found by how their names begin.

ALTER TABLE revocations ADD COLUMN connection text;

CREATE INDEX users_by_name_prefix ON users (name_key text_pattern_ops);
