"""A walk in a bucket whose server is away for seconds, answers with errors, or cuts connections."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from asmg_pl.storage.copy import Copy
from asmg_pl.storage.remote import RemoteFolder
from killing.scene import WALK, Found, Scene, scores

FAULTS = "away", "503", "cut"
SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Door:
    """Passes bytes between programs and a server of this machine, unless there is a fault.

    Attributes:
        fault: one of :data:`FAULTS`, or nothing.
        port: where programs knock.
    """

    def __init__(self, server: int) -> None:
        """Open it before the port of a server."""
        self.fault, self.port, self._server = "", 0, server
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait()

    def shut(self, fault: str, seconds: float) -> None:
        """Have a fault for some seconds; connections that are open are cut first."""
        self.fault = fault
        self._loop.call_soon_threadsafe(self._cut)
        time.sleep(seconds)
        self.fault = ""

    def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            serving = await asyncio.start_server(self._met, "127.0.0.1", 0)
            self.port = serving.sockets[0].getsockname()[1]
            ready.set()
            await serving.serve_forever()

        self._loop.run_until_complete(main())

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "503":
            with suppress(OSError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(SLOW_DOWN)
                await writer.drain()
                writer.close()
            return
        if self.fault == "away":
            writer.transport.abort()
            return
        there_reads, there = await asyncio.open_connection("127.0.0.1", self._server)
        self._open |= {writer, there}
        await asyncio.gather(self._pass(reader, there), self._pass(there_reads, writer))
        self._open -= {writer, there}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while content := await reader.read(2**16):
                writer.write(content[: len(content) // 2] if self.fault == "cut" else content)
                await writer.drain()
                if self.fault == "cut":
                    break
        writer.close()


class Bucket(Scene):
    """``asmg fit`` in a bucket."""

    name = "bucket"

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start a server of S3, and a door before it."""
        super().__init__(folder, stack)
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stack.callback(server.stop)
        self._door = Door(server.get_host_and_port()[1])
        os.environ |= {"AWS_ACCESS_KEY_ID": "kills", "AWS_SECRET_ACCESS_KEY": "kills", "AWS_MAX_ATTEMPTS": "1"}
        os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._door.port}"}
        import fsspec

        fsspec.filesystem("s3", use_listings_cache=False).mkdir("kills")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, number: int) -> None:
        """Walk in a folder of the bucket, with a cache of its own."""
        root = ("--trainer.default_root_dir", self._address(number))
        cache = str(self.folder / f"cache-{number}")
        self._process = self.call([sys.executable, "-m", "asmg_pl", *WALK, *root], f"{number}.log", ASMG_CACHE=cache)

    def begun(self, number: int) -> bool:
        """Whether the walk has created a listing."""
        return RemoteFolder(self._address(number)).newest().number > 0

    def running(self) -> bool:
        """Whether the walk has not ended."""
        assert self._process is not None
        return self._process.poll() is None

    def lose(self, draw: random.Random) -> None:
        """Have the server away, overloaded or cutting for up to ten seconds."""
        self._door.shut(draw.choice(FAULTS), draw.uniform(1, 10))

    def end(self) -> int:
        """Wait for the walk."""
        assert self._process is not None
        return self._process.wait()

    def left(self, number: int) -> Found:
        """The scores in the bucket, and which files there are beside them."""
        os.environ["ASMG_CACHE"] = str(self.folder / f"reader-{number}")
        copy, folder = Copy.view(self._address(number))
        copy.fetch()
        return {"files": sorted(copy.listing.files), **scores(folder)}

    def _address(self, number: int) -> str:
        return f"s3://kills/walk-{number}"
