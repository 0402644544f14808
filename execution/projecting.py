"""Objects of a selection straight from rows of one class: code generated once for both, where the
class is certain of its columns (`core/certain.py`), so that no value is looked at by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql.type import GraphQLBoolean, GraphQLEnumType, GraphQLID, GraphQLInt, GraphQLString

from core.certain import BEYOND, Certain, PublicId, certain_of, made_by, public_id_of
from execution.classes import looks_at_class_alone
from execution.plan import FieldPlan, Form, Kind, SelectionPlan, Shape
from execution.serialising import takes_text

if TYPE_CHECKING:
    from execution.run import Run

Values = list[Any]
MIN_RUNS = 2
"""Runs of a selection before code is generated for it: most unknown documents come once."""
MAX_CLASSES = 8
"""Of rows, for one selection; those of others are made without."""

_AS_IT_IS = {
    GraphQLString: ("text",),
    GraphQLID: ("text",),
    GraphQLBoolean: ("bool",),
    GraphQLInt: ("int32",),
}


class Odd(Exception):
    """A value is not what all others are; each is to be looked at."""


@dataclass(frozen=True, slots=True)
class Projection:
    """`make(rows, *columns)` gives the objects; `late` are the places of the fields whose values
    are those columns, complete. It raises where anything about a row is odd."""

    late: tuple[int, ...]
    make: Callable[..., Values]


def projection_of(run: Run, plan: SelectionPlan, rows: Values) -> Projection | None:
    """The projection of these rows; None where they are not of one class that has any."""
    if plan.runs < MIN_RUNS or not rows:
        return None
    kind: Any = type(rows[0])
    if kind in plan.projections:
        found: Projection | None = plan.projections[kind]
    elif len(plan.projections) < MAX_CLASSES:
        found = plan.projections[kind] = _generated(run, plan, kind)
    else:
        return None
    if found is None or len(set(map(type, rows))) != 1:
        return None
    plan.runs += 1
    return found


@dataclass(slots=True)
class _Code:
    """What the expressions of one projection use: columns of the row, by name, and objects."""

    certain: dict[str, Certain]
    used: set[str] = field(default_factory=set)
    given: dict[str, Any] = field(default_factory=lambda: {"zip": zip, "str": str, "odd": _odd})

    def column(self, name: str) -> str:
        self.used.add(name)
        return f"r_{name}"


def _generated(run: Run, plan: SelectionPlan, kind: Any) -> Projection | None:
    certain = certain_of(kind)
    if not certain:
        return None
    code = _Code(certain)
    late: list[int] = []
    pairs = []
    for i, each in enumerate(plan.fields):
        expression = _field(run, code, each, kind)
        if expression is None:
            late.append(i)
            expression = f"c{i}"
        pairs.append(f"{_key(each.key)}: {expression}")
    if not code.used:
        return None
    # Columns of the database are names of its grammar, and of this code's own text.
    names = ", ".join(f"r_{name}" if name in code.used else "_" for name in kind._fields)
    columns = [f"c{i}" for i in late]
    row, source = f"({names},)", "rows"
    if columns:
        row, source = f"{row}, {', '.join(columns)}", f"zip(rows, {', '.join(columns)})"
    text = f"lambda {', '.join(['rows', *columns])}: [{{{', '.join(pairs)}}} for {row} in {source}]"
    make: Callable[..., Values] = eval(text, code.given)
    return Projection(tuple(late), make)


def _key(key: str) -> str:
    """Keys are names of GraphQL's grammar, so that no text of a client becomes anything but a
    string here."""
    assert key.isidentifier()
    assert key.isascii()
    return repr(key)


def _field(run: Run, code: _Code, field: FieldPlan, kind: Any) -> str | None:
    """The expression of a field's value, complete; None where there is none."""
    if field.kind is Kind.TYPENAME:
        return repr(field.parent.name)
    if field.kind is not Kind.ATTRIBUTE:
        return None
    shape, name = field.shape, field.attribute
    if shape.form is Form.LEAF and name in code.certain:
        return _leaf(code, shape, name)
    if (id := public_id_of(kind, name)) is not None:
        return _public_id(code, shape, id)
    made = made_by(kind, name) if shape.form is Form.OBJECT else None
    if made is None or not all(column in code.certain for column in made.columns):
        return None
    first, *others = made.columns
    nullable = code.certain[first].nullable
    if (nullable and not shape.nullable) or any(code.certain[each].nullable for each in others):
        return None
    if not _is_certainly(shape.type, made.kind):
        return None
    behind = dict(zip(made.kind._fields, made.columns, strict=True))  # type: ignore[attr-defined]
    pairs = []
    for inner in run.below(field, shape.type).fields:
        expression = _inner(code, inner, behind, first)
        if expression is None:
            return None
        pairs.append(f"{_key(inner.key)}: {expression}")
    display = f"{{{', '.join(pairs)}}}"
    return f"(None if {code.column(first)} is None else {display})" if nullable else display


def _public_id(code: _Code, shape: Shape, id: PublicId) -> str | None:
    certain = code.certain.get(id.column)
    if certain != Certain("uuid") or shape.type not in (GraphQLID, GraphQLString):
        return None
    assert id.before.isidentifier()
    return f'f"{id.before}{{{code.column(id.column)}.hex}}"'


def _inner(code: _Code, field: FieldPlan, behind: dict[str, str], first: str) -> str | None:
    if field.kind is Kind.TYPENAME:
        return repr(field.parent.name)
    if field.kind is not Kind.ATTRIBUTE or field.shape.form is not Form.LEAF:
        return None
    column = behind.get(field.attribute)
    return None if column is None else _leaf(code, field.shape, column, present=column == first)


def _leaf(code: _Code, shape: Shape, name: str, *, present: bool = False) -> str | None:
    """`present` where it is known already that the value is not null."""
    kind, nullable = code.certain[name]
    if present:
        nullable = False
    if nullable and not shape.nullable:
        return None
    type_: Any = shape.type
    value = f"r_{name}"
    made: str | None = None
    if kind in _AS_IT_IS.get(type_, ()):
        made = value
    elif kind == "moment" and takes_text(type_):
        made = f"({value} if {value} != {BEYOND!r} else odd())"
        nullable = False  # None is not that text either
    elif isinstance(type_, GraphQLEnumType) and kind == "text":
        names = f"names_{type_.name}"
        code.given[names] = _Names(type_)
        made = f"{names}[{value}]"
    elif getattr(type_, "coerce_output_value", None) is str and kind in ("text", "int32", "int"):
        made = value if kind == "text" else f"str({value})"
    if made is None:
        return None
    code.column(name)
    return f"(None if {value} is None else {made})" if nullable and made != value else made


class _Names(dict[str, str]):
    """An enum's values as they are told, each looked up once. Raises for what is none."""

    def __init__(self, type_: GraphQLEnumType) -> None:
        super().__init__()
        self.type = type_

    def __missing__(self, value: str) -> str:
        made = self.type.coerce_output_value(value)
        if type(made) is not str:
            raise Odd(value)
        self[value] = made
        return made


def _odd() -> Any:
    raise Odd


def _is_certainly(type_: Any, kind: type) -> bool:
    """Whether the type says yes of all values of a class, for it asks for nothing else."""
    asks = type_.is_type_of
    if asks is None:
        return True
    try:
        return looks_at_class_alone(asks) and asks(tuple.__new__(kind), None) is True
    except Exception:
        return False
