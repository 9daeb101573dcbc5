"""Sending what is there already while the rest is still being made: a base's blobs, then each layer once it is made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

from imagekit import deliver
from imagekit.deliver import Delivery, Parcel
from imagekit.errors import ImagekitError
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Opener
from imagekit.progress import Progress

logger = logging.getLogger(__name__)

Send = Callable[[Descriptor], None]


class Stopped(ImagekitError):
    """What was being sent is not wanted any more; nobody outside sees this."""


@contextmanager
def sending(parcel: Parcel, delivery: Delivery, progress: Progress) -> Iterator[Send]:
    """Bring the parcel's blobs to the destination while the body runs, and those that it hands in; all are done then.

    Nothing is sent where one of the tags exists: whether it may be moved is judged when its new digest is known, before
    the first byte is written. A registry clears blobs away that no manifest names. An upload that is under way when the
    body fails is broken off.
    """
    with ThreadPoolExecutor(deliver.WORKERS, thread_name_prefix="ahead") as pool:
        under_way = _UnderWay(parcel, delivery, progress, pool)
        try:
            for blob in deliver.long_first(parcel):
                under_way.send(blob)
            yield under_way.send
        except BaseException:
            under_way.stop()
            raise
    under_way.check()


class _UnderWay:
    """What is being sent, by the threads of a pool."""

    def __init__(self, parcel: Parcel, delivery: Delivery, progress: Progress, pool: Executor) -> None:
        self._stop, self._failed = Event(), Event()
        self._parcel = replace(parcel, open=lambda blob: _until(self._stop, parcel.open(blob)))
        self._delivery = delivery
        self._progress = progress
        self._pool = pool
        self._is_new = pool.submit(deliver.is_new, delivery)
        self._sent: list[Future[None]] = []

    def send(self, blob: Descriptor) -> None:
        """Bring one more blob, when it is its turn."""
        self._sent.append(self._pool.submit(self._bring, blob))

    def stop(self) -> None:
        """Break off what is being sent, and begin nothing more."""
        self._stop.set()

    def check(self) -> None:
        """Raise what failed, but for what the push that follows meets too: it reports that, once the build is kept."""
        for failure in filter(None, (sent.exception() for sent in self._sent)):
            if not isinstance(failure, ImagekitError):
                raise failure
            logger.debug("nothing more was sent to %s ahead of the build: %s", self._delivery.name, failure.message)

    def _bring(self, blob: Descriptor) -> None:
        if self._stop.is_set() or self._failed.is_set() or not self._is_new.result():
            return
        try:
            deliver.bring_one(self._parcel, self._delivery, blob, (), self._progress)
        except BaseException:
            self._failed.set()
            raise


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
            raise Stopped("the build failed while its blobs were being sent")
        yield piece
