-- Announcements with an audience and a start.

ALTER TABLE announcements ADD COLUMN audience text NOT NULL DEFAULT 'everyone';
ALTER TABLE announcements ADD COLUMN starts_at timestamptz;
-- Null until it started.
ALTER TABLE announcements ALTER COLUMN published_at DROP NOT NULL;
-- Of a narrower audience: everybody of it up to this user has been told. Null: all of them.
ALTER TABLE announcements ADD COLUMN told_up_to bigint DEFAULT 0;
UPDATE announcements SET told_up_to = NULL;

CREATE INDEX announcements_waiting ON announcements (starts_at) WHERE withdrawn_at IS NULL AND published_at IS NULL;
CREATE INDEX notifications_of_announcement ON notifications ((data ->> 'announcement'), user_id)
WHERE kind = 'announcement';
