"""The one path of change: which mutations there are, and how each becomes durable."""
