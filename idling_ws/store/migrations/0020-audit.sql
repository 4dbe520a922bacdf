-- The audit trail is added to and never changed: not by mistake, and not by the server's own role.

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Row triggers reach every partition, also those that are still to come. A TRUNCATE has no rows:
-- each partition needs a trigger of its own.
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log_rest
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- Where a chain goes on after its oldest months were dropped: the last row that went.
CREATE TABLE audit_anchors (
    user_id bigint PRIMARY KEY,
    n bigint NOT NULL,
    hash bytea NOT NULL
);

-- Both run as their owner, so that the server's role needs no right to create or drop tables.
CREATE FUNCTION audit_log_prepare(months int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz;
    part text;
    made int := 0;
BEGIN
    -- Instances that prepare at the same moment do it one after the other.
    PERFORM pg_advisory_xact_lock(4941020);
    FOR ahead IN 0..least(months, 24) LOOP
        month := date_trunc('month', now()) + make_interval(months => ahead);
        part := 'audit_log_' || to_char(month, 'YYYY_MM');
        -- A month that has begun in the default partition ends there.
        CONTINUE WHEN to_regclass(part) IS NOT NULL OR EXISTS (
            SELECT FROM audit_log_rest WHERE at >= month AND at < month + interval '1 month');
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)',
            part, month, month + interval '1 month');
        EXECUTE format('CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()', part);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

CREATE FUNCTION audit_log_drop_before(moment timestamptz) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    part text;
    dropped int := 0;
BEGIN
    IF moment > now() - interval '30 days' THEN
        RAISE EXCEPTION 'the last 30 days of the audit trail stay';
    END IF;
    PERFORM pg_advisory_xact_lock(4941020);
    -- From the oldest on, and whole months only.
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_log'::regclass AND c.relname ~ '^audit_log_\d{4}_\d{2}$'
          AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= moment
        ORDER BY c.relname
    LOOP
        EXECUTE format('INSERT INTO audit_anchors (user_id, n, hash) '
            'SELECT DISTINCT ON (user_id) user_id, n, hash FROM %I ORDER BY user_id, n DESC '
            'ON CONFLICT (user_id) DO UPDATE SET n = EXCLUDED.n, hash = EXCLUDED.hash', part);
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

DO $$ BEGIN PERFORM audit_log_prepare(3); END $$;

-- Where the server connects as a role of its own (docs/security.md), it may add and read, no more.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'idling_app') THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON audit_log, audit_log_rest FROM idling_app;
        GRANT SELECT, INSERT ON audit_log TO idling_app;
        GRANT SELECT ON audit_anchors TO idling_app;
    END IF;
END
$$;
