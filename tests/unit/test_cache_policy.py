"""How long answers may be kept, by Apollo's rules, on a schema of a few fields."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import strawberry
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse, validate

from execution.caching import INHERITS, MAX_AGE_S, CacheControl, CachePolicy, policy_of
from schema.fields import attribute, resolved


@strawberry.interface
class Named:
    name: str = attribute("Its name.")


@strawberry.type(directives=[INHERITS])
class Leaf(Named):
    size: int = attribute("Its size.", cache=30)
    yours: bool = attribute("Whether it is yours.", viewer=True)


@strawberry.type
class Plain(Named):
    leaf: Leaf = attribute("A leaf.")
    kept: Leaf = attribute("A leaf.", cache=20)


@strawberry.type(directives=[CacheControl(max_age=50)])
class Aged(Named):
    leaf: Leaf = attribute("A leaf.")
    plain: Plain = attribute("A plain one.")
    inherits: Plain = attribute("A plain one.", cache=INHERITS)


def of(type_: Any, **options: Any) -> Any:
    def resolve() -> Any:
        raise AssertionError("nothing is run here")

    resolve.__annotations__["return"] = type_
    return resolved("A field.", **options)(resolve)


Any_ = Annotated[Leaf | Plain, strawberry.union("Any_")]


@strawberry.type
class Query:
    leaf: Leaf = of(Leaf, cache=100)
    bare: Leaf = of(Leaf)
    aged: Aged = of(Aged)
    inherits_aged: Aged = of(Aged, cache=INHERITS)
    shorter: Aged = of(Aged, cache=10)
    text: str = of(str)
    kept_text: str = of(str, cache=5)
    named: Named = of(Named, cache=100)
    either: Any_ = of(Any_, cache=100)
    viewers: str = of(str, cache=100, viewer=True)
    mine: str = of(str, viewer=True, cache=None)
    guarded: str = of(str, cache=100, authenticated=True)
    zero: str = of(str, cache=0)


@pytest.fixture(scope="module")
def schema() -> Any:
    return strawberry.Schema(Query, types=[Leaf, Plain, Aged])._schema


def policy(schema: Any, text: str) -> CachePolicy | None:
    document = parse(text)
    assert not validate(schema, document)
    nodes = document.definitions
    [operation] = [one for one in nodes if isinstance(one, OperationDefinitionNode)]
    return policy_of(
        schema, operation, [one for one in nodes if isinstance(one, FragmentDefinitionNode)]
    )


@pytest.mark.parametrize(
    ("text", "age_s"),
    [
        ("{ leaf { name } }", 100),
        ("{ leaf { size } }", 30),
        ("{ bare { name } }", None),  # a root field inherits from nothing
        ("{ aged { name } }", 50),
        ("{ inheritsAged { name } }", 50),  # the type's age goes before the field's inheritance
        ("{ shorter { name } }", 10),
        ("{ aged { leaf { name } } }", 50),
        ("{ aged { plain { name } } }", None),
        ("{ aged { inherits { name } } }", 50),
        ("{ aged { inherits { leaf { size } } } }", 30),
        ("{ aged { inherits { kept { name } } } }", 20),
        ("{ text }", None),
        ("{ keptText }", 5),
        ("{ zero keptText }", None),
        ("{ leaf { name } keptText }", 5),
        ("{ leaf { name } text }", None),
        ("{ leaf { ...f } } fragment f on Leaf { size }", 30),
        ("{ leaf { name ... @include(if: false) { size } } }", 30),  # for all values alike
        ("{ named { name } }", 100),
        ("{ named { ... on Plain { leaf { name } } ... on Leaf { size } } }", 30),
        ("{ named { ... on Aged { plain { name } } } }", None),
        ("{ either { __typename ... on Leaf { size } } }", 30),
        ("{ __typename }", None),
        ("{ keptText __typename }", 5),
    ],
)
def test_the_least_age_holds_and_what_says_nothing_counts_as_none(schema, text, age_s):
    found = policy(schema, text)
    assert (None if found is None else found.max_age_s) == age_s
    assert found is None or not found.private


def test_what_looks_at_who_asks_is_private_unless_its_declaration_speaks_of_caching(schema):
    assert policy(schema, "{ viewers }") == CachePolicy(100, private=False)
    assert policy(schema, "{ mine }") is None
    assert policy(schema, "{ leaf { yours } }") == CachePolicy(100, private=True)
    assert policy(schema, "{ leaf { size yours } keptText }") == CachePolicy(5, private=True)
    assert policy(schema, "{ guarded }") == CachePolicy(100, private=True)


def test_nothing_is_kept_for_longer_than_the_most():
    with pytest.raises(ValueError, match=f"from 0 to {MAX_AGE_S}"):
        CacheControl(max_age=MAX_AGE_S + 1)
