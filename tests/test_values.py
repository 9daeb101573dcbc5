"""imagekit's dataclasses behave as the standard library's do."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Mine:
    """A value."""

    name: str
    number: int = 3
    items: list[str] = field(default_factory=list)
    place: str = field(default="", compare=False)
    secret: str = field(default="", repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Standard:
    """A value."""

    name: str
    number: int = 3
    items: list[str] = field(default_factory=list)
    place: str = field(default="", compare=False)
    secret: str = field(default="", repr=False)


def test_fields_defaults_and_replace_are_the_standards():
    mine, theirs = Mine(name="a", number=1), Standard(name="a", number=1)
    assert dataclasses.asdict(mine) == dataclasses.asdict(theirs)
    assert [item.name for item in fields(mine)] == [item.name for item in fields(theirs)]
    assert dataclasses.asdict(replace(mine, name="b")) == dataclasses.asdict(replace(theirs, name="b"))
    assert repr(mine).replace("Mine", "") == repr(theirs).replace("Standard", "")
    assert Mine(name="a").items is not Mine(name="a").items


def test_equality_and_hash_leave_out_what_is_not_compared():
    one, other = Mine(name="a", items=(), place="x"), Mine(name="a", items=(), place="y")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Mine(name="b", items=())
    assert one != Standard(name="a", items=())


def test_values_are_frozen_and_slotted():
    one = Mine(name="a")
    with pytest.raises(FrozenInstanceError):
        one.name = "b"
    with pytest.raises(FrozenInstanceError):
        del one.name
    with pytest.raises(FrozenInstanceError):
        one.other = 1
    assert not hasattr(one, "__dict__")


def test_wrong_arguments_are_refused_by_name():
    with pytest.raises(TypeError, match="lacks 'name'"):
        Mine()
    with pytest.raises(TypeError, match="takes no nombre"):
        Mine(name="a", nombre=1)
    with pytest.raises(TypeError):
        Mine("a")


def test_values_can_be_copied_and_pickled():
    one = Mine(name="a", items=["x"])
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one


def test_methods_of_the_class_win():
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Named:
        """A value with words of its own."""

        name: str

        def __repr__(self) -> str:
            return f"<{self.name}>"

    assert repr(Named(name="a")) == "<a>"
