-- Telling people: which sign-ins they have yet to hear of, and when what they dismissed may go.

-- What a browser keeps to be known again; and what its owner has yet to be told: `signed_in` or `ended`.
ALTER TABLE logins ADD COLUMN device_hash bytea;
ALTER TABLE logins ADD COLUMN to_tell text;
CREATE INDEX logins_to_tell ON logins (id) WHERE to_tell IS NOT NULL;

CREATE INDEX notifications_dismissed ON notifications (created_at) WHERE dismissed;
