"""What the product costs, beside others that do the same work: CPU per operation, memory per connection.

Starts PostgreSQL, Redis and two instances of its own (instance A pinned to one core, all
else on the other), and a process of each peer that is there; drives them all from here by
the same rounds, which take turns; and writes tables, and a page with charts to reports/bench.html. Cost is
process CPU time divided by operations, the median of several runs: wall time is noise on a shared machine.

    make bench                                  # everything: a quarter of an hour, 40 minutes at the very most
    make bench ARGS=--quick                     # one run of each, for a look: 3 minutes
    make bench ARGS="--only mutate --runs 3"
    make bench ARGS="--only growth --runs 3"    # 100 to 10,000 sockets, a million entries, latency at half load
    make bench ARGS="--no-peers --against ../other-checkout --only push"
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from scripts.benchmark.cli import main

    main()
