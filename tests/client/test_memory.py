"""What the client holds: nothing that grows, and nothing large after a large event."""

from __future__ import annotations

import pytest

from tests.client.running import ECHO, Client


@pytest.fixture
def native(client: Client) -> Client:
    """Memory of an emulated program is the emulator's."""
    if client.emulated:
        pytest.skip("the emulator's memory says nothing about the client's")
    return client


def test_idle_it_needs_less_than_half_a_megabyte(native: Client) -> None:
    native.script(ECHO)
    for _ in range(20):
        native.serves(b"x" * 1000)
    native.api.wait_idle()
    assert native.resident() <= 512


def test_large_buffers_are_given_back(native: Client) -> None:
    native.script(ECHO)
    for _ in range(3):
        assert native.serves(b"x" * 6_000_000).size == 6_000_000
    native.api.wait_idle()
    assert native.resident() <= 1024


@pytest.mark.parametrize("events", [1_000, pytest.param(30_000, marks=pytest.mark.real)])
def test_many_events_leave_nothing_behind(native: Client, events: int) -> None:
    native.may_lose = True  # requests are forgotten on the way
    native.script(ECHO)
    for _ in range(100):
        native.serves()
    native.api.wait_idle()
    memory, descriptors = native.resident(), native.descriptors()
    for _ in range(events // 1000):
        for _ in range(1000):
            native.serves(b"{}")
        native.api.requests.clear()
    native.api.wait_idle()
    assert native.resident() <= memory + 64
    assert native.descriptors() == descriptors
