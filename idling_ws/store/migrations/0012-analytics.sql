-- What happens in the place, by hour and by day: rolled up from the rows themselves, so that it can be done again.

-- UTC throughout. Times of sessions count where the session ended.
CREATE TABLE analytics_hours (
    hour timestamptz PRIMARY KEY,
    sessions_started bigint NOT NULL,
    sessions_ended bigint NOT NULL,
    session_ms bigint NOT NULL,
    -- People whose session ran at any time in it.
    active_users bigint NOT NULL,
    emoji_uses bigint NOT NULL,
    reactions bigint NOT NULL,
    notifications bigint NOT NULL,
    errors bigint NOT NULL
);

CREATE TABLE analytics_days (
    day date PRIMARY KEY,
    sessions_started bigint NOT NULL,
    sessions_ended bigint NOT NULL,
    session_ms bigint NOT NULL,
    active_users bigint NOT NULL,
    emoji_uses bigint NOT NULL,
    reactions bigint NOT NULL,
    notifications bigint NOT NULL,
    errors bigint NOT NULL
);

CREATE TABLE analytics_emoji_days (
    day date NOT NULL,
    emoji text NOT NULL,
    uses bigint NOT NULL,
    users bigint NOT NULL,
    PRIMARY KEY (day, emoji)
);

-- Errors answered to clients. Each instance writes how many it has counted, and again when it is more.
CREATE TABLE error_stats (
    hour timestamptz NOT NULL,
    instance text NOT NULL,
    class text NOT NULL,
    code text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (hour, instance, code)
);

-- Hours before this are rolled up for good: one row.
CREATE TABLE analytics_progress (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    final_until timestamptz NOT NULL
);

-- Ways to what happened in an hour, and to what one person did.
CREATE INDEX sessions_by_start ON sessions (started_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX notifications_by_time ON notifications USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX audit_log_by_time ON audit_log USING brin (at) WITH (autosummarize = on);
CREATE INDEX reactions_by_sender ON reactions (sender, at);
CREATE INDEX reactions_by_owner ON reactions (owner, at);
