"""All that speaks HTTP or WebSocket."""
