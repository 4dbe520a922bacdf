-- Identity: one current signing key, and how long its tokens may live.

-- The longest life of any token signed with it: so long it has to verify after its rotation.
ALTER TABLE signing_keys ADD COLUMN longest_ttl_s int NOT NULL DEFAULT 900;

-- Two instances that both start on an empty table cannot both make the first key.
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys ((true)) WHERE retired_at IS NULL;
