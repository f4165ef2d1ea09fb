"""The least that an upload can cost: a socket loop that hashes and writes, and nothing else.

`python -m tools.bench.bare PORT FOLDER`. It reads into buffers made once, feeds md5 and sha512 on
threads of their own, writes as the file store does (same early flush, same fsync) and answers 204.
No HTTP server, no checks, no database: what a service adds is the difference to this.
"""

import hashlib
import os
import queue
import re
import secrets
import socket
import sys
import threading

from calotype.stores.atomic_file import FLUSH_EVERY, start_flush

BLOCK = 1 << 20
BUFFERS = 8
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Digest:
    """One digest on a thread of its own, fed with numbers of buffers."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm)
        self._todo: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def see(self, block: memoryview) -> None:
        """Take the next block."""
        self._todo.put(block)

    def await_one(self) -> None:
        """Wait until one more block is done with."""
        self._done.get()

    def finish(self) -> str:
        """The digest of all blocks."""
        self._todo.put(None)
        self._thread.join()
        return self._digest.hexdigest()

    def _work(self) -> None:
        while (block := self._todo.get()) is not None:
            self._digest.update(block)
            self._done.put(None)


def serve(port: int, folder: str) -> None:
    """Take uploads, each on a thread, until ended."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=receive, args=(connection, folder), daemon=True).start()


def receive(connection: socket.socket, folder: str) -> None:
    """Take one upload and answer it."""
    with connection:
        head = connection.recv(65536)
        while head and b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        length = _LENGTH.search(head)
        if length is None:
            return
        begun = head.partition(b"\r\n\r\n")[2]
        store(connection, begun, int(length[1]), os.path.join(folder, secrets.token_hex(8)))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def store(connection: socket.socket, begun: bytes, size: int, path: str) -> None:
    """Hash and write the body, of which `begun` has come already."""
    digests = [Digest("md5"), Digest("sha512")]
    buffers = [memoryview(bytearray(BLOCK)) for _ in range(BUFFERS)]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    buffers[0][: len(begun)] = begun
    filled, position, flushed, number = len(begun), 0, 0, 0
    while position < size:
        if number >= BUFFERS:
            for digest in digests:
                digest.await_one()
        block = buffers[number % BUFFERS][: min(BLOCK, size - position)]
        want = len(block) - filled
        if connection.recv_into(block[filled:], flags=socket.MSG_WAITALL) != want:
            raise SystemExit("The client went away")
        filled = 0
        for digest in digests:
            digest.see(block)
        os.pwrite(fd, block, position)
        position += len(block)
        number += 1
        if position - flushed >= FLUSH_EVERY:
            start_flush(fd, flushed, position - flushed)
            flushed = position
    os.fsync(fd)
    os.close(fd)
    for digest in digests:
        digest.finish()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
