"""Text to typed facts and back. No I/O in this room."""
