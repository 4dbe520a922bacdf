-- Errors also by where they happened: the pattern of an HTTP route, `ws`, `job` or `browser`.

ALTER TABLE error_stats ADD COLUMN route text NOT NULL DEFAULT '';
ALTER TABLE error_stats DROP CONSTRAINT error_stats_pkey;
ALTER TABLE error_stats ADD PRIMARY KEY (hour, instance, code, route);
