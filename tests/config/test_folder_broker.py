"""Many processes on one folder of messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SENDER = """
import sys
from kombu import Connection
from config.folder_broker import Transport
folder = sys.argv[1]
options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "/control"}
with Connection("filesystem://localhost/", transport=Transport, transport_options=options) as connection:
    queue = connection.SimpleQueue("work")
    for number in range(20):
        queue.put({"number": number, "filling": "x" * 1_000_000})
    queue.close()
"""


def test_a_message_is_never_seen_before_it_is_whole(tmp_path: Path) -> None:
    senders = [subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path)]) for _ in range(2)]
    seen: set[Path] = set()
    while len(seen) < 40 and any(sender.poll() in (None, 0) for sender in senders):
        for message in set(tmp_path.glob("*.msg")) - seen:
            json.loads(message.read_text(encoding="utf-8"))
            seen.add(message)
    assert [sender.wait() for sender in senders] == [0, 0]
    assert len(seen) == 40
