"""What the product costs: CPU of the instance per operation, memory per connection.

Starts PostgreSQL, Redis and two instances of its own (instance A pinned to one core, all
else on the other), drives them from here, and writes a table. Cost is process CPU time
divided by operations, the median of several runs: wall time is noise on a shared machine.

    make bench                  # everything, a few minutes
    make bench ARGS="--only mutate --runs 3"
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from scripts.benchmark.cli import main

    main()
