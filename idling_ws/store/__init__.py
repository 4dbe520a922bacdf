"""The only room that knows SQL and what lies in Redis."""
