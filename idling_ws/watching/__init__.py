"""Watching: what does not work just now, and who is told of it."""
