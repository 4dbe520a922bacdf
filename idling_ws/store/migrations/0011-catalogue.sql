-- The emoji there are, where SQL can see them: for pages by category, and for names beside counts.

CREATE TABLE emoji_categories (
    id text PRIMARY KEY,
    name text NOT NULL,
    position int NOT NULL
);

-- Every fully-qualified emoji of Unicode; a skin-tone variant names the emoji it colours.
CREATE TABLE emojis (
    id text PRIMARY KEY,
    base text REFERENCES emojis (id) DEFERRABLE INITIALLY DEFERRED,
    tones text[] NOT NULL DEFAULT '{}',
    name text NOT NULL,
    category text NOT NULL REFERENCES emoji_categories (id) DEFERRABLE INITIALLY DEFERRED,
    subgroup text NOT NULL,
    -- The order of Unicode's charts; a variant stands where its base does.
    position int NOT NULL,
    since text NOT NULL,
    keywords text[] NOT NULL,
    shortcodes text[] NOT NULL,
    emoticons text[] NOT NULL
);

CREATE INDEX emojis_by_category ON emojis (category, position) WHERE base IS NULL;
CREATE INDEX emojis_by_base ON emojis (base) WHERE base IS NOT NULL;

-- What the two tables hold: one row.
CREATE TABLE emoji_edition (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    -- SHA-256 of the data file.
    digest text NOT NULL,
    emoji text NOT NULL,
    unicode text NOT NULL,
    cldr text NOT NULL,
    -- The version of the server that brought it.
    release text NOT NULL,
    -- Grows with every change of what everybody may use: how old a cached page is.
    revision bigint NOT NULL,
    imported_at timestamptz NOT NULL
);

-- What everybody may use changes with a custom emoji, too. This is the last lock that such a change takes.
CREATE FUNCTION note_shared_emoji_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE emoji_edition SET revision = revision + 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER custom_emojis_shared AFTER UPDATE ON custom_emojis FOR EACH ROW
WHEN ((OLD.status = 'approved' AND OLD.deleted_at IS NULL) <> (NEW.status = 'approved' AND NEW.deleted_at IS NULL))
EXECUTE FUNCTION note_shared_emoji_changed();
