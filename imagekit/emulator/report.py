"""The lines that Lambda itself writes into a log (developer guide, "Viewing CloudWatch logs")."""

from __future__ import annotations

from math import ceil

from imagekit.emulator.identity import moment
from imagekit.emulator.invocation import FunctionError, Invocation, Report
from imagekit.emulator.settings import Settings


def start(invocation: Invocation, settings: Settings) -> str:
    """The line before a function sees the event."""
    return f"START RequestId: {invocation.id} Version: {settings.version}"


def end(invocation: Invocation) -> str:
    """The line after it."""
    return f"END RequestId: {invocation.id}"


def timed_out(invocation: Invocation, settings: Settings, now: float) -> str:
    """The line about an event that took too long."""
    return f"{moment(now)} {invocation.id} Task timed out after {settings.timeout:.2f} seconds"


def init(duration: float, phase: str, status: str, error_type: str = "") -> str:
    """The line about an init phase that failed; milliseconds."""
    kind = f"\tError Type: {error_type}" if error_type else ""
    return f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: {phase}\tStatus: {status}{kind}"


def report(value: Report) -> str:
    """The line about what an event has cost."""
    parts = [
        f"REPORT RequestId: {value.request_id}",
        f"Duration: {value.duration:.2f} ms",
        f"Billed Duration: {value.billed} ms",
        f"Memory Size: {value.memory_size} MB",
        f"Max Memory Used: {value.memory_used} MB",
    ]
    if value.init_duration is not None:
        parts.append(f"Init Duration: {value.init_duration:.2f} ms")
    if value.status != "success":
        parts.append(f"Status: {'timeout' if value.status == 'timeout' else 'error'}")
    if value.status in ("failure", "error") and value.error_type:
        parts.append(f"Error Type: {value.error_type}")
    return "\t".join(parts)


def measured(
    invocation: Invocation,
    settings: Settings,
    error: FunctionError | None,
    *,
    duration: float,
    init: float | None,
    peak: int,
) -> Report:
    """A report; times in seconds, memory in bytes. Init is billed, too (since August 2025)."""
    return Report(
        request_id=invocation.id,
        duration=duration * 1000,
        billed=max(ceil((duration + (init or 0)) * 1000), 1),
        memory_size=settings.confines.memory,
        memory_used=ceil(peak / (1 << 20)),
        init_duration=None if init is None else init * 1000,
        status=error.status if error else "success",
        error_type=error.type if error else "",
    )
