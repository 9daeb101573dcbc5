"""The valid word that is nearest to what somebody wrote."""

from __future__ import annotations

from collections.abc import Iterable

#: Longer words are not compared: the comparison takes time in the square of the length.
_LONGEST = 64
#: More valid words than this are not listed in a hint.
_LISTED = 32


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The one of `choices` that `word` was probably meant to be."""
    if len(word) > _LONGEST:
        return None
    from difflib import get_close_matches

    by_fold = {choice.casefold(): choice for choice in choices}
    found = get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def hint(word: str, choices: Iterable[str], kind: str) -> str:
    """`did you mean …?` and what is valid; `kind` says what the choices are, in the plural."""
    listed = tuple(choices)
    if not listed:
        return ""
    found = nearest(word, listed)
    question = f"did you mean `{found}`? " if found else ""
    more = ", …" if len(listed) > _LISTED else ""
    return f"{question}valid {kind}: {', '.join(listed[:_LISTED])}{more}"
