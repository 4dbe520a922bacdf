"""``idling-ws`` and ``python -m idling_ws``."""

from idling_ws.cli import main

if __name__ == "__main__":
    main()
