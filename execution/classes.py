"""What types ask of values, as far as their sources tell."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from core.reads import reads_of


@lru_cache(maxsize=4_000)
def looks_at_class_alone(is_type_of: Any) -> bool:
    """Whether nothing of a value is asked but `isinstance`, and nothing of the info: values of one
    class all get one answer."""
    function = getattr(is_type_of, "__func__", is_type_of)
    names = getattr(getattr(function, "__code__", None), "co_varnames", ())
    place = 0 if function is is_type_of else 1
    asked = names[place : place + 2]
    return len(asked) == 2 and all(reads_of(function, name) == frozenset() for name in asked)
