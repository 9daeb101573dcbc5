"""Messages between imagekit and a warden: one value and some descriptors each, over a socket that keeps their ends."""

from __future__ import annotations

import _socket
import marshal
from array import array

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket
    from typing import Any, Final

    Message = dict[str, Any]

#: Bytes of one message: a command line with its environment. Descriptors of one message.
_MAX_MESSAGE: Final = 1 << 20
_MAX_DESCRIPTORS: Final = 8


def pair() -> tuple[socket, socket]:
    """Both ends of a new connection."""
    from socket import AF_UNIX, SO_SNDBUF, SOCK_SEQPACKET, SOL_SOCKET, socketpair

    ends = socketpair(AF_UNIX, SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(SOL_SOCKET, SO_SNDBUF, 2 * _MAX_MESSAGE)
    return ends


def send(to: _socket.socket | socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send a message; raises OSError, ValueError for one that is too large."""
    data = marshal.dumps(message)
    if len(data) > _MAX_MESSAGE:
        raise ValueError("a command with its environment is too large")
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
    to.sendmsg([data], rights)


def receive(end: _socket.socket | socket) -> tuple[Message, list[int]]:
    """The next message; empty at the end. The descriptors are the receiver's to close. Raises OSError."""
    room = _socket.CMSG_SPACE(_MAX_DESCRIPTORS * array("i").itemsize)
    data, extra, _, _ = end.recvmsg(_MAX_MESSAGE, room, _socket.MSG_CMSG_CLOEXEC)
    found = array("i")
    for level, kind, raw in extra:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            found.frombytes(raw[: len(raw) - len(raw) % found.itemsize])
    return (marshal.loads(data) if data else {}), list(found)
