"""idling_ws: the realtime server of Idling.app."""

__version__ = "0.1.0"
