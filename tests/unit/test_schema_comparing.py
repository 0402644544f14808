"""Every class of change of a schema is judged as clients and gateways feel it."""

from datetime import date
from pathlib import Path

import orjson
import pytest
from graphql import build_schema as parse_schema

from schema.bases import State
from schema.check_command import changes_between
from schema.comparing import Change, Severity, client_changes, counted
from schema.exporting import as_clients_see
from schema.recorded import NotRecorded, Recorded, read_recorded, uses_of

TODAY = date(2026, 6, 1)


def shop(body: str) -> str:
    return f"type Query {{ item(id: ID!): Item  say(x: Int): String }} {body}"


def judge(before: str, after: str) -> list[tuple[str, str, str]]:
    changes = changes_between(State("a", as_clients_see(before)), State("b", as_clients_see(after)))
    return [(str(c.severity), c.kind, c.where) for c in changes]


def between(before: dict[str, str], after: dict[str, str]) -> list[Change]:
    def state(parts: dict[str, str]) -> State:
        whole = as_clients_see("type Query { a: Int }")
        return State(
            "", whole, {n: parse_schema(s, assume_valid_sdl=True) for n, s in parts.items()}
        )

    return changes_between(state(before), state(after))


def federated(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(str(c.severity), c.kind, c.where) for c in between(before, after)]


ITEM = "type Item { id: ID! name: String! size: Size tags: [String!]! } enum Size { S M }"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (ITEM, ITEM, []),
        (
            ITEM,
            ITEM.replace("name: String!", "name: String! price: Int"),
            [("safe", "FIELD_ADDED", "Item.price")],
        ),
        (
            ITEM,
            ITEM + " type Shelf { id: ID! }",
            [("safe", "TYPE_ADDED", "Shelf")],
        ),
        (
            ITEM,
            ITEM.replace("name: String!", "name(short: Boolean): String!"),
            [("dangerous", "OPTIONAL_ARG_ADDED", "Item.name(short:)")],
        ),
        (
            ITEM,
            ITEM.replace("size: Size", "size: Size!"),
            [("safe", "FIELD_CHANGED_KIND_SAFE", "Item.size")],
        ),
        (
            ITEM,
            '"What. is sold." ' + ITEM,
            [("safe", "DESCRIPTION_CHANGED", "Item")],
        ),
        (
            ITEM,
            ITEM.replace("name: String!", '"Called. so." name: String!'),
            [("safe", "DESCRIPTION_CHANGED", "Item.name")],
        ),
        (
            ITEM,
            ITEM.replace("name: String!", 'name: String! @deprecated(reason: "no more")'),
            [("safe", "DEPRECATED", "Item.name")],
        ),
        (
            ITEM,
            ITEM.replace("S M", "S M L"),
            [("dangerous", "VALUE_ADDED_TO_ENUM", "Size.L")],
        ),
        (
            ITEM.replace("size: Size", "size(in: Int = 1): Size"),
            ITEM.replace("size: Size", "size(in: Int = 2): Size"),
            [("dangerous", "ARG_DEFAULT_VALUE_CHANGE", "Item.size(in:)")],
        ),
        (
            ITEM,
            ITEM.replace("name: String!", "name: String"),
            [("breaking", "FIELD_CHANGED_KIND", "Item.name")],
        ),
        (
            ITEM,
            ITEM.replace("S M", "S"),
            [("breaking", "VALUE_REMOVED_FROM_ENUM", "Size.M")],
        ),
        (
            ITEM,
            ITEM.replace("name: String!", "name(short: Boolean!): String!"),
            [("breaking", "REQUIRED_ARG_ADDED", "Item.name(short:)")],
        ),
        (
            ITEM + " union U = Item | Other type Other { a: Int }",
            ITEM + " union U = Item type Other { a: Int }",
            [("breaking", "TYPE_REMOVED_FROM_UNION", "U")],
        ),
        (
            ITEM + " interface I { id: ID! } type Other implements I { id: ID! }",
            ITEM + " interface I { id: ID! } type Other { id: ID! }",
            [("breaking", "IMPLEMENTED_INTERFACE_REMOVED", "Other")],
        ),
        (
            ITEM + " input New { name: String }",
            ITEM + " input New { name: String size: Size! }",
            [("breaking", "REQUIRED_INPUT_FIELD_ADDED", "New.size")],
        ),
    ],
    ids=lambda value: value[0][1] if isinstance(value, list) and value else "",
)
def test_what_clients_feel(before: str, after: str, found: list[tuple[str, str, str]]) -> None:
    assert judge(shop(before), shop(after)) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("", "@authenticated", ("breaking", "AUTHENTICATION_REQUIRED")),
        ("@authenticated", "", ("dangerous", "AUTHENTICATION_DROPPED")),
        ("", '@requiresScopes(scopes: [["a"]])', ("breaking", "SCOPES_TIGHTENED")),
        (
            '@requiresScopes(scopes: [["a"], ["b"]])',
            '@requiresScopes(scopes: [["a"]])',
            ("breaking", "SCOPES_TIGHTENED"),
        ),
        (
            '@requiresScopes(scopes: [["a"]])',
            '@requiresScopes(scopes: [["a", "b"]])',
            ("breaking", "SCOPES_TIGHTENED"),
        ),
        (
            '@requiresScopes(scopes: [["a", "b"]])',
            '@requiresScopes(scopes: [["a"], ["c"]])',
            ("dangerous", "SCOPES_LOOSENED"),
        ),
        ('@requiresScopes(scopes: [["a"]])', "", ("dangerous", "SCOPES_LOOSENED")),
        ("@cost(weight: 1)", "@cost(weight: 5)", ("dangerous", "COST_RAISED")),
        ("@cost(weight: 5)", "@cost(weight: 1)", ("safe", "COST_LOWERED")),
        ("", "@cost(weight: 3)", ("dangerous", "COST_RAISED")),
        ("", "@cost(weight: 0)", None),
        ("@listSize(assumedSize: 20)", "@listSize(assumedSize: 50)", "dangerous LIST_SIZE_RAISED"),
        ("@listSize(assumedSize: 20)", "@listSize(assumedSize: 5)", "safe LIST_SIZE_LOWERED"),
        ("@listSize(assumedSize: 20)", "", "safe LIST_SIZE_DROPPED"),
        (
            '@listSize(slicingArguments: ["first"], requireOneSlicingArgument: false)',
            '@listSize(slicingArguments: ["first"])',
            "breaking SLICING_REQUIRED",
        ),
        (
            '@listSize(assumedSize: 5, sizedFields: ["a"])',
            '@listSize(assumedSize: 5, sizedFields: ["b"])',
            "dangerous LIST_SIZE_CHANGED",
        ),
        (
            '@listSize(assumedSize: 5, slicingArguments: ["first"])',
            '@listSize(slicingArguments: ["first"])',
            None,
        ),
        ("", "@inaccessible", "breaking MADE_INACCESSIBLE"),
        ("", '@tag(name: "x")', "safe DIRECTIVE_CHANGED"),
        ("", "@rateLimit(limit: 5, duration: 60)", "dangerous RATE_LIMIT_TIGHTENED"),
        (
            "@rateLimit(limit: 5, duration: 60)",
            "@rateLimit(limit: 9, duration: 60)",
            "safe RATE_LIMIT_LOOSENED",
        ),
    ],
)
def test_who_may_and_what_it_costs(
    before: str, after: str, found: tuple[str, str] | str | None
) -> None:
    old, new = (
        shop(ITEM.replace("tags: [String!]!", f"tags: [String!]! {d}")) for d in (before, after)
    )
    expected = tuple(found.split()) if isinstance(found, str) else found
    assert judge(old, new) == ([] if expected is None else [(*expected, "Item.tags")])


@pytest.mark.parametrize(
    ("reason", "severity", "told"),
    [
        (None, "breaking", "It was not deprecated before."),
        ("Use name.", "breaking", "Its deprecation named no date."),
        ("Use name, until 2026-06-01.", "breaking", "Its deprecation keeps it until 2026-06-01."),
        ("Use name, until 2026-05-31.", "dangerous", "It was deprecated until 2026-05-31."),
        ("Since 2026-99-99.", "breaking", "Its deprecation named no date."),
    ],
)
@pytest.mark.parametrize(
    "place",
    ["type Item { id: ID! old: Int @ }", "type Item { id(old: Int @): ID! }", "enum E { A B @ }"],
)
def test_what_is_removed_was_deprecated_first(
    reason: str | None, severity: str, told: str, place: str
) -> None:
    written = "" if reason is None else f'@deprecated(reason: "{reason}")'
    gone = place.replace("old: Int @", "").replace("B @", "").replace("()", "")
    query = "type Query { a: Int }"
    old, new = (
        parse_schema(f"{query} {text}", assume_valid_sdl=True)
        for text in (place.replace("@", written), gone)
    )
    [change] = client_changes(old, new, today=TODAY)
    assert (str(change.severity), change.message.endswith(told)) == (severity, True), change


def test_a_type_that_only_what_was_deprecated_led_to_goes_with_it() -> None:
    reason = '@deprecated(reason: "until 2026-01-01")'
    kinds = "type Old { inner: Inner } type Inner { a: Int }"
    old = parse_schema(f"type Query {{ a: Int old: Old {reason} }} {kinds}")
    other = parse_schema(f"type Query {{ a: Int old: Old {reason} also: Inner }} {kinds}")
    gone, kept = (
        parse_schema("type Query { a: Int }"),
        parse_schema("type Query { a: Int also: Int}"),
    )
    assert {c.where: str(c.severity) for c in client_changes(old, gone, today=TODAY)} == {
        "Query.old": "dangerous",
        "Old": "dangerous",
        "Inner": "dangerous",
    }
    found = {c.where: str(c.severity) for c in client_changes(other, kept, today=TODAY)}
    assert (found["Old"], found["Inner"]) == ("dangerous", "breaking")


USERS = 'type User @key(fields: "id") { id: ID! name: String }'
LOTS = 'type User @key(fields: "id") { id: ID! lots: Int }'
MONEY = "type Money @shareable { amount: Int }"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"u": USERS, "l": LOTS}, {"u": USERS, "l": LOTS}, []),
        (
            {"u": USERS, "l": LOTS},
            {"u": USERS, "l": LOTS.replace("id: ID! lots", 'id: ID! at: Int @tag(name: "x") lots')},
            [],
        ),
        (
            {"u": USERS},
            {"u": USERS.replace('@key(fields: "id")', "")},
            [("breaking", "ENTITY_REMOVED", "User")],
        ),
        (
            {"u": USERS},
            {"u": USERS.replace('"id")', '"id", resolvable: false)')},
            [("breaking", "ENTITY_REMOVED", "User")],
        ),
        (
            {"u": USERS.replace('@key(fields: "id")', "")},
            {"u": USERS},
            [("safe", "ENTITY_ADDED", "User")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {"u": USERS, "l": LOTS.replace('"id")', '"id", resolvable: false)')},
            [("breaking", "KEY_NOT_RESOLVABLE", "User")],
        ),
        (
            {"u": USERS, "l": LOTS.replace('"id")', '"id", resolvable: false)')},
            {"u": USERS, "l": LOTS},
            [("safe", "KEY_RESOLVABLE", "User")],
        ),
        (
            {"u": USERS.replace("@key", '@key(fields: "name") @key'), "l": LOTS},
            {"u": USERS, "l": LOTS},
            [("breaking", "KEY_REMOVED", "User")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {"u": USERS.replace("@key", '@key(fields: "name") @key'), "l": LOTS},
            [("safe", "KEY_ADDED", "User")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {
                "u": USERS.replace("name: String", ""),
                "l": LOTS.replace("lots", "name: String lots"),
            },
            [("dangerous", "OWNER_MOVED", "User.name")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {
                "u": USERS.replace("name: String", ""),
                "l": LOTS.replace("lots", 'name: String @override(from: "u") lots'),
            },
            [("safe", "OWNER_MOVED", "User.name")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {"u": USERS, "l": LOTS.replace("lots", "name: String lots")},
            [("breaking", "NOT_SHAREABLE", "User.name")],
        ),
        (
            {"u": MONEY, "l": LOTS},
            {"u": MONEY, "l": LOTS + MONEY},
            [("safe", "OWNER_ADDED", "Money.amount")],
        ),
        (
            {"u": MONEY, "l": LOTS + MONEY},
            {"u": MONEY, "l": LOTS},
            [("dangerous", "OWNER_REMOVED", "Money.amount")],
        ),
        (
            {"u": MONEY, "l": MONEY},
            {"u": MONEY, "l": MONEY.replace("@shareable", "")},
            [("breaking", "SHAREABLE_REMOVED", "Money.amount")],
        ),
        (
            {"u": USERS, "l": LOTS},
            {"u": USERS, "l": LOTS.replace("lots: Int", 'lots: Int @requires(fields: "name")')},
            [("dangerous", "FEDERATION_CHANGED", "User.lots")],
        ),
    ],
)
def test_what_gateways_feel(
    before: dict[str, str], after: dict[str, str], found: list[tuple[str, str, str]]
) -> None:
    assert federated(before, after) == found


def test_an_entity_lost_is_told_of_a_whole_schema_too() -> None:
    item = ITEM.replace("type Item", 'type Item @key(fields: "id")')
    assert judge(shop(item), shop(ITEM)) == [("breaking", "ENTITY_REMOVED", "Item")]


def test_what_came_without_directives_is_not_held_against_them() -> None:
    item = shop(ITEM.replace("tags: [String!]!", "tags: [String!]! @authenticated"))
    seen = as_clients_see(shop(ITEM))
    changes = changes_between(
        State("", seen, has_directives=False), State("", as_clients_see(item))
    )
    assert changes == []


BEFORE = shop(
    """
    type Item { id: ID! name(short: Boolean): String! size: Size near(at: Place): [Item!]! }
    enum Size { S M } input Place { x: Int y: Int sizes: [Size!] }
    """
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = {
        "one.graphql": "query One { item(id: 1) { ...Named } }",
        "fragments.graphql": "fragment Named on Item { id name(short: true) }",
        "two.graphql": "query Two($at: Place) { item(id: 1) { near(at: $at) { id } } }",
        "three.graphql": "query Three { item(id: 1) { near(at: { x: 1 }) { size } } }",
    }
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def against(folder: Path, before: str, after: str) -> list[tuple[str, str, tuple[str, ...]]]:
    changes = changes_between(
        State("", as_clients_see(before)),
        State("", as_clients_see(after)),
        read_recorded([folder]),
    )
    return [(str(c.severity), c.where, c.operations) for c in changes]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("name(short: Boolean): String!", ""), ("breaking", "Item.name", ("one:One",))),
        (("short: Boolean", "long: Boolean"), ("breaking", "Item.name(short:)", ("one:One",))),
        (("size: Size ", "size: [Size] "), ("breaking", "Item.size", ("three:Three",))),
        (("y: Int", ""), ("breaking", "Place.y", ("two:Two",))),
        (("x: Int y", "y"), ("breaking", "Place.x", ("three:Three", "two:Two"))),
        (("S M", "S"), ("breaking", "Size.M", ("two:Two",))),
        (("say(x: Int): String", ""), ("dangerous", "Query.say", ())),
    ],
)
def test_changes_are_judged_by_what_clients_send(
    folder: Path, change: tuple[str, str], found: tuple[str, str, tuple[str, ...]]
) -> None:
    after = BEFORE.replace(*change).replace("(long: Boolean)", "").replace("()", "")
    assert against(folder, BEFORE, after)[0] == found


def test_a_change_that_nobody_is_hit_by_says_so(folder: Path) -> None:
    after = BEFORE.replace("say(x: Int): String", "")
    former, present = (State("", as_clients_see(text)) for text in (BEFORE, after))
    [change] = changes_between(former, present, read_recorded([folder]))
    assert change.severity is Severity.DANGEROUS
    assert change.message.endswith("None of 3 recorded operations uses it.")
    assert counted([change])[Severity.BREAKING] == 0


def test_an_operation_is_hit_by_a_member_of_a_union_that_it_asks_for(tmp_path: Path) -> None:
    union = "type Query { u: U } union U = A | B | C type A { a: Int } type B { b: Int }"
    before, after = (f"{union} type C {{ c: Int }}", union.replace("| C", ""))
    (tmp_path / "q.graphql").write_text(
        "query Q { u { ... on B { b } ...F } } fragment F on C { c }"
    )
    found = against(tmp_path, before, after + " type C { c: Int }")
    assert found == [("breaking", "U", ("q:Q",))]
    found = against(tmp_path, before, before.replace("| A", "").replace("= A", "= "))
    assert [each for each in found if each[2]] == []


def test_what_variables_may_hold_counts_as_used() -> None:
    [recorded] = [
        Recorded("q", document) for document in [parse_query("query($at: Place) { __typename }")]
    ]
    uses = uses_of(as_clients_see(BEFORE), recorded)
    assert {"Place.x", "Place.sizes", "Size.M", "Size", "Place"} <= uses


def parse_query(text: str):
    from graphql import parse

    return parse(text)


def test_operations_come_from_both_kinds_of_manifests(tmp_path: Path) -> None:
    text = "query One { say(x: 1) }"
    apollo = {"format": "apollo-persisted-query-manifest", "version": 1}
    apollo["operations"] = [{"id": "1", "name": "One", "type": "query", "body": text}]
    (tmp_path / "apollo.json").write_bytes(orjson.dumps(apollo))
    (tmp_path / "relay.json").write_bytes(orjson.dumps({"a1": text.replace("One", "Two")}))
    assert {each.name for each in read_recorded([tmp_path])} == {"apollo:One", "relay:Two"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("bad.json", "[1]", "neither Apollo's manifest nor Relay's"),
        ("bad.json", "{", "bad.json"),
        ("bad.graphql", "query {", "Syntax Error"),
        ("none.graphql", "fragment F on Item { id }", "no operations"),
    ],
)
def test_what_holds_no_operations_is_refused(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NotRecorded, match=told):
        read_recorded([tmp_path / name])
    with pytest.raises(NotRecorded, match="no such file"):
        read_recorded([tmp_path / "elsewhere"])
