"""Sign-in services for tests: one real, one that answers as Twitch does, and their misbehaviour."""
