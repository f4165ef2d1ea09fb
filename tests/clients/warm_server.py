"""Runs in the environment of the clients: has them loaded, and forks for each command.

Not a module of the tests: `warm.py` starts it. Each command is a process of its own with its own
arguments, environment, folder and standard streams, as if it had been started anew; only the
second or two of loading the client is saved.
"""

import json
import logging
import os
import socket
import sys
import traceback

DESCRIPTOR = int(sys.argv[1])
# What is loaded below remembers by what name it was called.
sys.argv = ["openstack"]

import glanceclient.shell  # noqa: E402
import glanceclient.v2.client  # noqa: E402
import glanceclient.v2.shell  # noqa: E402
import openstack.connection  # noqa: E402, F401
import openstackclient.image.client  # noqa: E402
import openstackclient.image.v2.cache  # noqa: E402
import openstackclient.image.v2.image  # noqa: E402
import openstackclient.image.v2.info  # noqa: E402
import openstackclient.image.v2.task  # noqa: E402
import openstackclient.shell  # noqa: E402

MAINS = {"openstack": openstackclient.shell.main, "glance": glanceclient.shell.main}


def serve(orders):
    """Do one command after the other, until nobody is there to give any."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 3)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            orders.close()
            be(json.loads(text), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        orders.send(str(os.waitstatus_to_exitcode(status)).encode())


def be(order, descriptors):
    """Be that command, to its end."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [order["path"], *order["arguments"]]
    status = 1
    try:
        status = ended(MAINS[order["program"]])
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def ended(main):
    """The exit status of a program, told as the interpreter does."""
    try:
        sys.exit(main())
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    serve(socket.socket(fileno=DESCRIPTOR))
