#!/usr/bin/env python3
"""Put a running server under load, measure it, record it: see ``idling_ws.loadtest``."""

from idling_ws.loadtest.cli import main

if __name__ == "__main__":
    main()
