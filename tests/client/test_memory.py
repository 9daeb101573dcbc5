"""What the client holds: nothing that grows, and nothing large after a large event."""

from __future__ import annotations

import pytest

from tests.client.running import ECHO, NATIVE, Client


@pytest.fixture
def architecture() -> str:
    """Memory of an emulated program is the emulator's."""
    return NATIVE


def test_idle_it_needs_less_than_half_a_megabyte(client: Client) -> None:
    client.script(ECHO)
    for _ in range(20):
        client.serves(b"x" * 1000)
    client.api.wait_idle()
    assert client.resident() <= 512


def test_large_buffers_are_given_back(client: Client) -> None:
    client.script(ECHO)
    for _ in range(3):
        assert client.serves(b"x" * 6_000_000).size == 6_000_000
    client.api.wait_idle()
    assert client.resident() <= 1024


@pytest.mark.parametrize("events", [300, pytest.param(30_000, marks=pytest.mark.real)])
def test_many_events_leave_nothing_behind(client: Client, events: int) -> None:
    client.may_lose = True  # requests are forgotten on the way
    client.script(ECHO)
    for _ in range(100):
        client.serves()
    client.api.wait_idle()
    memory, descriptors = client.resident(), client.descriptors()
    for _ in range(events // 100):
        for _ in range(100):
            client.serves(b"{}")
        client.api.requests.clear()
    client.api.wait_idle()
    assert client.resident() <= memory + 64
    assert client.descriptors() == descriptors
