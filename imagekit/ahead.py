"""Sending what is there already while the rest is still being made: a base's blobs, below layers under compression."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

from imagekit import deliver
from imagekit.deliver import Delivery, Parcel
from imagekit.errors import ImagekitError
from imagekit.oci.ports import Opener
from imagekit.progress import Progress

logger = logging.getLogger(__name__)


class Stopped(ImagekitError):
    """What was being sent is not wanted any more; nobody outside sees this."""


@contextmanager
def sending(parcel: Parcel, delivery: Delivery, progress: Progress) -> Iterator[None]:
    """Bring the parcel's blobs to the destination while the body runs; both are done at the end.

    Nothing is sent where one of the tags exists: whether it may be moved is judged when its new digest is known, before
    the first byte is written. A registry clears blobs away that no manifest names. An upload that is under way when the
    body fails is broken off.
    """
    stop, failures = Event(), list[BaseException]()

    def send() -> None:
        try:
            if deliver.is_new(delivery):
                deliver.bring(
                    replace(parcel, open=lambda blob: _until(stop, parcel.open(blob))), delivery, (), progress
                )
        except ImagekitError as error:
            # The push that follows meets the same, and reports it when the build is kept and can be pushed again.
            logger.debug("nothing more is sent to %s ahead of the build: %s", delivery.name, error.message)
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=send, name="ahead")
    thread.start()
    try:
        yield
    except BaseException:
        stop.set()
        raise
    finally:
        thread.join()
    if failures:
        raise failures[0]


def _until(stop: Event, opener: Opener) -> Opener:
    """The same bytes, less those after a stop."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        with opener() as pieces:
            yield _pieces(stop, pieces)

    return opened


def _pieces(stop: Event, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if stop.is_set():
            raise Stopped("the build failed while the base was being sent")
        yield piece
