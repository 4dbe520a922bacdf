-- Instances of before 0050 write to error_stats by (hour, instance, code), those of 0050 to 0060 by route as well, and
-- both go on while a deployment changes over. So what has a route has a table of its own, error_stats takes what either
-- writes, and whoever reads goes by the view.

CREATE TABLE error_routes (
    hour timestamptz NOT NULL,
    instance text NOT NULL,
    class text NOT NULL,
    code text NOT NULL,
    route text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (hour, instance, code, route)
);
WITH moved AS (DELETE FROM error_stats WHERE route <> '' RETURNING hour, instance, class, code, route, count)
INSERT INTO error_routes SELECT * FROM moved;

-- Each statement finds the key that it goes by.
ALTER TABLE error_stats DROP CONSTRAINT error_stats_pkey;
ALTER TABLE error_stats ADD PRIMARY KEY (hour, instance, code), ADD UNIQUE (hour, instance, code, route);

CREATE FUNCTION put_error_beside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO error_routes (hour, instance, class, code, route, count)
    VALUES (NEW.hour, NEW.instance, NEW.class, NEW.code, NEW.route, NEW.count)
    ON CONFLICT (hour, instance, code, route) DO UPDATE SET count = EXCLUDED.count;
    RETURN NULL;
END $$;
CREATE TRIGGER error_stats_by_route BEFORE INSERT ON error_stats
    FOR EACH ROW WHEN (NEW.route <> '') EXECUTE FUNCTION put_error_beside();

CREATE VIEW error_hours AS
    SELECT hour, instance, class, code, route, count FROM error_routes
    UNION ALL SELECT hour, instance, class, code, route, count FROM error_stats;
