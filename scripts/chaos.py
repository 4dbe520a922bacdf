#!/usr/bin/env python3
"""Do harm to servers of its own under load, and prove that nothing came of it: see ``idling_ws.loadtest.chaos``."""

from idling_ws.loadtest.chaos import main

if __name__ == "__main__":
    main()
