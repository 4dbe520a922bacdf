-- Web Push: where a user's browsers can be reached, and which notifications may have to go there.

CREATE TABLE push_subscriptions (
    endpoint text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id),
    p256dh text NOT NULL,
    auth text NOT NULL,
    created_at timestamptz NOT NULL,
    failures int NOT NULL DEFAULT 0
);
CREATE INDEX push_subscriptions_of ON push_subscriptions (user_id, created_at);

-- Written with the notification, gone once it was seen or pushed. seq is the entry that carries it.
CREATE TABLE push_queue (
    user_id bigint NOT NULL,
    notification_id text NOT NULL,
    seq bigint NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, notification_id)
);
CREATE INDEX push_queue_due ON push_queue (due_at);
