#!/usr/bin/env python3
"""Prove or refute the protocol's promises on recorded histories: see ``idling_ws.proof``."""

from idling_ws.proof.cli import main

if __name__ == "__main__":
    main()
