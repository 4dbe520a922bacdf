-- What people do with emoji and with each other, and what they are told of it.

CREATE TABLE user_emoji_favorites (
    user_id bigint NOT NULL,
    emoji text NOT NULL,
    position int NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, emoji)
);

-- The last few, newest first: one row a person, because it is read with every fresh state.
CREATE TABLE user_recent_emojis (
    user_id bigint PRIMARY KEY,
    emojis text[] NOT NULL
);

CREATE TABLE emoji_usage_stats (
    user_id bigint NOT NULL,
    day date NOT NULL,
    emoji text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (user_id, emoji, day)
);

CREATE INDEX emoji_usage_by_day ON emoji_usage_stats (day, emoji);

CREATE TABLE custom_emojis (
    id text PRIMARY KEY,
    user_id bigint NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL,
    digest text NOT NULL,
    media_type text NOT NULL,
    width int NOT NULL,
    height int NOT NULL,
    is_animated boolean NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    reviewed_at timestamptz,
    reviewed_by bigint,
    deleted_at timestamptz,
    version bigint NOT NULL DEFAULT 1
);

CREATE INDEX custom_emojis_by_user ON custom_emojis (user_id) WHERE deleted_at IS NULL;
CREATE INDEX custom_emojis_by_status ON custom_emojis (status, id) WHERE deleted_at IS NULL;
CREATE INDEX custom_emojis_by_digest ON custom_emojis (digest);

CREATE TABLE reactions (
    id text PRIMARY KEY,
    sender bigint NOT NULL,
    owner bigint NOT NULL,
    session_id text NOT NULL,
    emoji text NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX reactions_by_time ON reactions (at);

CREATE TABLE notifications (
    -- A UUIDv7: the order of ids is the order of time.
    id text PRIMARY KEY,
    user_id bigint NOT NULL,
    kind text NOT NULL,
    level text NOT NULL,
    title text NOT NULL,
    body text,
    data jsonb,
    read boolean NOT NULL DEFAULT false,
    dismissed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);

CREATE INDEX notifications_shown ON notifications (user_id, id) WHERE NOT dismissed;

CREATE TABLE announcements (
    id text PRIMARY KEY,
    title text NOT NULL,
    body text,
    level text NOT NULL,
    published_by bigint NOT NULL,
    published_at timestamptz NOT NULL,
    expires_at timestamptz,
    withdrawn_at timestamptz
);

CREATE INDEX announcements_shown ON announcements (expires_at) WHERE withdrawn_at IS NULL;
