"""PostgreSQL and Redis as child processes, so that one command is a whole server.

    servers       the two together: what `idling-ws serve` starts when no URL is set
    ├── postgres  makes a cluster once, runs it
    └── redis     runs it, append-only file on
        └── child    one supervised process: started, watched, brought back, ended in order
            ├── launch   the last step before the server's own code: privileges, parent death
            └── folder   who may use the data folder, and where sockets fit
    binaries      which files to run: the wheels', else the machine's

Nothing here listens on TCP, adds a user, or changes a folder that it did not make.
"""

from idling_ws.embedded.errors import EmbeddedServersError
from idling_ws.embedded.postgres import SUPERUSER
from idling_ws.embedded.servers import EmbeddedServers, Endpoints, running_endpoints

__all__ = ["SUPERUSER", "EmbeddedServers", "EmbeddedServersError", "Endpoints", "running_endpoints"]
