-- Operator notices: what each instance finds wrong with itself, and what was told of it.

-- A row for each fault that an instance has just now; one whose instance died grows old.
CREATE TABLE operator_conditions (
    kind text NOT NULL,
    instance text NOT NULL,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (kind, instance)
);

-- One for all instances that have the same fault. What has yet to be told, and to be posted, is in it.
CREATE TABLE operator_notices (
    id text PRIMARY KEY,
    kind text NOT NULL,
    raised_at timestamptz NOT NULL,
    ended_at timestamptz,
    raised_to_tell boolean NOT NULL DEFAULT true,
    raised_to_post boolean NOT NULL DEFAULT true,
    ended_to_tell boolean NOT NULL DEFAULT true,
    ended_to_post boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX operator_notices_open ON operator_notices (kind) WHERE ended_at IS NULL;
CREATE INDEX operator_notices_to_do ON operator_notices (id)
WHERE raised_to_tell OR raised_to_post OR (ended_at IS NOT NULL AND (ended_to_tell OR ended_to_post));
CREATE INDEX notifications_of_notice ON notifications (user_id, (data ->> 'notice'))
WHERE kind = 'operator.notice';
