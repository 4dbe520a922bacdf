-- Accounts elsewhere that open an account here, and what the sign-ins through them leave behind.

CREATE TABLE accounts (
    provider text NOT NULL,
    -- Who it is there: stable and never reused, unlike a name or an address.
    subject text NOT NULL,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL DEFAULT '',
    linked_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (provider, subject),
    CONSTRAINT accounts_one_of_a_kind UNIQUE (user_id, provider)
);

-- A state works once: its hash is here from its first use until it would have run out anyway.
CREATE TABLE spent_states (
    state_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE INDEX spent_states_by_end ON spent_states (expires_at);

-- What every instance has to hear of: ended logins, and users whose rights have changed.
CREATE TABLE revocations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The database's clock, so that all instances read one and the same.
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id bigint NOT NULL,
    -- One login, or all of the user's when null.
    login_id text,
    reason text NOT NULL,
    -- Until when it holds, for what ends by itself.
    until timestamptz
);

CREATE INDEX revocations_by_time ON revocations (at);

CREATE INDEX users_suspended ON users (suspended_until) WHERE suspended_until IS NOT NULL;
