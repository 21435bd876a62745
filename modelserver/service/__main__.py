"""``python -m modelserver.service``: the model server."""

from __future__ import annotations

import logging
import math
import sys

import torch
import uvicorn

from modelserver.service.app import make_app
from modelserver.service.config import Config
from modelserver.wire import WireError

log = logging.getLogger("modelserver.service")

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Longer than clients keep a connection for later, so that they seldom find it closed.
KEEP_ALIVE_S = 75


def main() -> int:
    """Serve until told to stop, then finish what is held; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = Config.from_environment()
        app = make_app(config)
    except (WireError, ValueError, ImportError) as error:
        print(f"the model server cannot start: {error}", file=sys.stderr)
        return 2
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.host not in LOOPBACK and not config.token:
        log.warning("anyone who reaches %s:%d may ask: MODELSERVER_TOKEN is not set", config.host, config.port)
    uvicorn.run(
        app,
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(config.timeout_s),
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
