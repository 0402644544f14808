"""Objects of a selection straight from rows of one class: code generated once for both, where the
class is certain of its columns (`core/certain.py`), so that no value is looked at by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graphql.type import GraphQLBoolean, GraphQLEnumType, GraphQLID, GraphQLInt, GraphQLString

from core.certain import BEYOND, Certain, certain_of, made_by, public_id_of, record_of, within
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
    """What the expressions of one projection use: names of the row's places, and objects."""

    used: set[str] = field(default_factory=set)
    given: dict[str, Any] = field(default_factory=lambda: {"zip": zip, "str": str, "odd": _odd})

    def place(self, name: str) -> str:
        self.used.add(name)
        return f"r_{name}"


@dataclass(frozen=True, slots=True)
class _Source:
    """A row that expressions read, of this class: its columns are places of the row that is
    projected, under the names they are `called` there. `present` are those of which it is known
    already that they are not null."""

    code: _Code
    kind: Any
    certain: Mapping[str, Certain]
    called: Mapping[str, str]
    present: frozenset[str] = frozenset()

    def column(self, name: str) -> str:
        return self.code.place(self.called.get(name, name))

    def nullable(self, name: str) -> bool:
        return self.certain[name].nullable and name not in self.present


def _generated(run: Run, plan: SelectionPlan, kind: Any) -> Projection | None:
    certain, code = certain_of(kind), _Code()
    if not certain:
        return None
    source = _Source(code, kind, certain, {})
    late: list[int] = []
    pairs = []
    for i, each in enumerate(plan.fields):
        expression = _field(run, source, each) or _within(run, source, each)
        if expression is None:
            late.append(i)
            expression = f"c{i}"
        pairs.append(f"{_key(each.key)}: {expression}")
    if not code.used:
        return None
    # Columns of the database are names of its grammar, and of this code's own text.
    names = ", ".join(f"r_{name}" if name in code.used else "_" for name in record_of(kind))
    columns = [f"c{i}" for i in late]
    row, rows = f"({names},)", "rows"
    if columns:
        row, rows = f"{row}, {', '.join(columns)}", f"zip(rows, {', '.join(columns)})"
    text = f"lambda {', '.join(['rows', *columns])}: [{{{', '.join(pairs)}}} for {row} in {rows}]"
    make: Callable[..., Values] = eval(text, code.given)
    return Projection(tuple(late), make)


def _key(key: str) -> str:
    """Keys are names of GraphQL's grammar, so that no text of a client becomes anything but a
    string here."""
    assert key.isidentifier()
    assert key.isascii()
    return repr(key)


def _display(fields: Sequence[FieldPlan], expression: Callable[[FieldPlan], str | None]) -> str:
    """An object of these fields; nothing where one of them has no expression."""
    pairs = [(_key(each.key), expression(each)) for each in fields]
    if any(made is None for _, made in pairs):
        return ""
    return f"{{{', '.join(f'{key}: {made}' for key, made in pairs)}}}"


def _field(run: Run, source: _Source, field: FieldPlan) -> str | None:
    """The expression of a field's value, complete; None where there is none."""
    if field.kind is Kind.TYPENAME:
        return repr(field.parent.name)
    if field.kind is not Kind.ATTRIBUTE:
        return None
    shape, name = field.shape, field.attribute
    if shape.form is Form.LEAF and name in source.certain:
        return _leaf(source, shape, name)
    if (id := public_id_of(source.kind, name)) is not None:
        return _public_id(source, shape, id.column, id.before)
    return _made(run, source, field) if shape.form is Form.OBJECT else None


def _made(run: Run, source: _Source, field: FieldPlan) -> str | None:
    """Of a property that makes a row of some columns."""
    shape, made = field.shape, made_by(source.kind, field.attribute)
    if made is None or not all(column in source.certain for column in made.columns):
        return None
    first, *others = made.columns
    nullable = source.nullable(first)
    if (nullable and not shape.nullable) or any(map(source.nullable, others)):
        return None
    if not _is_certainly(shape.type, made.kind):
        return None
    fields: Sequence[str] = made.kind._fields  # type: ignore[attr-defined]
    behind = dict(zip(fields, made.columns, strict=True))
    there = replace(source, present=source.present | {first})

    def inner(each: FieldPlan) -> str | None:
        if each.kind is Kind.TYPENAME:
            return repr(each.parent.name)
        if each.kind is not Kind.ATTRIBUTE or each.shape.form is not Form.LEAF:
            return None
        column = behind.get(each.attribute)
        return None if column is None else _leaf(there, each.shape, column)

    display = _display(run.below(field, shape.type).fields, inner)
    if display and nullable:
        return f"(None if {source.column(first)} is None else {display})"
    return display or None


def _within(run: Run, source: _Source, field: FieldPlan) -> str | None:
    """Of a field that leads to a row which these have within them."""
    if field.kind is not Kind.KEYED or field.guards or field.has_arguments:
        return None
    shape = field.shape
    there = within(source.kind, field.keyed.key, field.keyed.loader)
    if shape.form is not Form.OBJECT or there is None or not _is_certainly(shape.type, there.kind):
        return None
    inner = _Source(source.code, there.kind, certain_of(there.kind), there.columns)
    display = _display(run.below(field, shape.type).fields, lambda each: _field(run, inner, each))
    own = source.certain.get(there.found)
    if not display or (own is not None and not own.nullable):
        return display or None
    otherwise = "None" if shape.nullable else "odd()"
    return f"({display} if {source.column(there.found)} is not None else {otherwise})"


def _public_id(source: _Source, shape: Shape, column: str, before: str) -> str | None:
    certain = source.certain.get(column)
    if certain != Certain("uuid") or shape.type not in (GraphQLID, GraphQLString):
        return None
    assert before.isidentifier()
    return f'f"{before}{{{source.column(column)}.hex}}"'


def _leaf(source: _Source, shape: Shape, name: str) -> str | None:
    kind, nullable = source.certain[name].kind, source.nullable(name)
    if nullable and not shape.nullable:
        return None
    type_: Any = shape.type
    value = source.column(name)
    made: str | None = None
    if kind in _AS_IT_IS.get(type_, ()):
        made = value
    elif kind == "moment" and takes_text(type_):
        made = f"({value} if {value} != {BEYOND!r} else odd())"
        nullable = False  # None is not that text either
    elif isinstance(type_, GraphQLEnumType) and kind == "text":
        names = f"names_{type_.name}"
        source.code.given[names] = _Names(type_)
        made = f"{names}[{value}]"
    elif getattr(type_, "coerce_output_value", None) is str and kind in ("text", "int32", "int"):
        made = value if kind == "text" else f"str({value})"
    if made is None:
        return None
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
