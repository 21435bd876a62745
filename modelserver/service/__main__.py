"""``python -m modelserver.service``: the model server."""

from __future__ import annotations

import logging
import sys

import torch
import uvicorn

from modelserver.service.app import make_app
from modelserver.service.config import Config
from modelserver.wire import WireError


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        config = Config.from_environment()
    except WireError as error:
        print(error, file=sys.stderr)
        return 2
    if config.threads:
        torch.set_num_threads(config.threads)
    uvicorn.run(
        make_app(config),
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
