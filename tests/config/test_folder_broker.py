"""Many processes on one folder of messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kombu import Connection

from config.folder_broker import Transport

SENDER = """
import sys
from pathlib import Path
from kombu import Connection
from config.folder_broker import Transport
folder = sys.argv[1]
options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "/control"}
with Connection("filesystem://localhost/", transport=Transport, transport_options=options) as connection:
    queue = connection.SimpleQueue("work")
    for number in range(100):
        queue.put({"number": number, "filling": "x" * 20_000})
    queue.close()
"""


def test_a_message_is_never_taken_before_it_is_whole(tmp_path: Path) -> None:
    options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
    }
    senders = [subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path)]) for _ in range(3)]
    numbers = []
    with Connection("filesystem://localhost/", transport=Transport, transport_options=options) as connection:
        queue = connection.SimpleQueue("work")
        while len(numbers) < 300:
            message = queue.get(timeout=60)
            numbers.append(message.payload["number"])
            message.ack()
        queue.close()
    assert [sender.wait() for sender in senders] == [0, 0, 0]
    assert sorted(numbers) == sorted(list(range(100)) * 3)
