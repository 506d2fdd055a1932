"""The AWS process: moto behind the gate, on plain HTTP on loopback, for as long as the process that started it lives.

Its parent talks to it over two pipes: one line of JSON on standard output says where it listens and hands over the
instance user's key (which no file ever sees); the end of standard input, however it comes about, ends the process.
"""

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve until standard input ends, then write the state and return."""
    parser = argparse.ArgumentParser(prog="python -m wif_pipelines.sandbox aws")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--google-keys", type=Path, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; this process follows it
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s aws %(levelname)s %(message)s")
    _serve(options.directory, options.google_keys)


def _serve(directory: Path, google_keys: Path) -> None:
    from wif_pipelines.sandbox.world import World

    world = World()
    # Moto reads these whenever it likes: whose account this is, and that it must not slow down or go anywhere.
    os.environ["MOTO_ACCOUNT_ID"] = world.aws_account
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

    from wif_pipelines.sandbox.aws.assembly import assemble

    held = _hold(directory)
    server, keeper, callers = assemble(world, directory, google_keys)
    keeper.start()
    ready: dict[str, Any] = {
        "port": server.server_port,
        "access_key_id": callers.instance_key_id,
        "secret": callers.instance_secret,
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    server.serve_forever(poll_interval=0.1)
    keeper.stop()
    held.close()


def _hold(directory: Path) -> IO[str]:
    # A parent that was killed leaves its AWS process writing for a moment; its successor's waits for it here.
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (directory / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _stop_at_end_of_input(server: Any) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.shutdown()
