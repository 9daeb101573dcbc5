"""Who made what is in an engine: only what has certainly ended is removed."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.containers.owners import HOST, MAKER, Owner

HERE = Owner.of_this_process()


def ended() -> Owner:
    """A process of this machine that is over."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return replace(HERE, process=process.pid)


def test_this_process_runs():
    assert not HERE.sees_the_end_of(HERE.labels)
    assert not ended().sees_the_end_of(HERE.labels)


def test_a_process_that_ended_is_seen():
    assert HERE.sees_the_end_of(ended().labels)
    assert HERE.sees_the_end_of(replace(HERE, start=f"{HERE.start}1").labels), "the number is another's by now"
    assert HERE.sees_the_end_of(replace(HERE, boot="before").labels)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_what_cannot_be_seen_is_left_alone(change):
    assert not HERE.sees_the_end_of(replace(ended(), **change).labels)


@given(
    st.dictionaries(st.sampled_from([HOST, MAKER]), st.one_of(st.just(HERE.host), st.text("019 :[]abpid", max_size=40)))
)
def test_labels_that_somebody_else_wrote_say_nothing(labels):
    if labels.get(MAKER, "").count(" ") != 3:
        assert not HERE.sees_the_end_of(labels)
    HERE.sees_the_end_of(labels)
