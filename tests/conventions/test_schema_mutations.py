"""What every mutation keeps to: one input, a union of a success and errors, and who may."""

import re

from graphql import GraphQLNonNull, GraphQLUnionType
from strawberry.federation.schema_directives import Authenticated, RequiresScopes

from execution.guards import Guard
from schema.build import DOMAINS, build_schema
from services.users.access import KNOWN_SCOPES

VERBS = [
    "abandon",
    "accept",
    "add",
    "archive",
    "block",
    "burn",
    "buy",
    "cancel",
    "change",
    "clear",
    "close",
    "create",
    "delete",
    "deposit",
    "dismiss",
    "export",
    "feature",
    "finish",
    "follow",
    "freeze",
    "fulfil",
    "import",
    "invite",
    "join",
    "leave",
    "link",
    "mark",
    "mint",
    "moderate",
    "mute",
    "open",
    "pause",
    "place",
    "publish",
    "purchase",
    "rate",
    "react",
    "record",
    "refresh",
    "refund",
    "register",
    "remove",
    "report",
    "request",
    "resolve",
    "review",
    "revoke",
    "set",
    "share",
    "sign",
    "start",
    "submit",
    "sync",
    "transfer",
    "unblock",
    "unfollow",
    "unfreeze",
    "unlink",
    "unmute",
    "unrate",
    "unreact",
    "update",
    "upload",
    "upsert",
    "verify",
    "watch",
    "withdraw",
]

FOR_EVERYONE = {
    "signUp": "who has no account cannot be signed in yet",
    "signIn": "it is how one comes to be signed in",
    "refreshToken": "the refresh token in the input is the proof; the access token has expired",
}


def mutations(core_schema):
    return core_schema.mutation_type.fields.items()


def errors_of(union):
    return [m for m in union.types if "Error" in {i.name for i in m.interfaces}]


def test_mutations_begin_with_a_verb(core_schema):
    names = [name for name, _ in mutations(core_schema)]
    assert len(names) > 15
    bad = [n for n in names if re.match(r"[a-z]+", n)[0] not in VERBS]
    assert bad == []


def test_mutations_take_one_input_of_their_own_kind(core_schema):
    for name, field in mutations(core_schema):
        assert list(field.args) == ["input"], name
        kind = field.args["input"].type
        assert isinstance(kind, GraphQLNonNull), name
        assert kind.of_type.name.endswith("Input"), name


def test_mutations_answer_one_success_or_an_error(core_schema):
    for name, field in mutations(core_schema):
        assert isinstance(field.type, GraphQLNonNull), name
        union = field.type.of_type
        assert isinstance(union, GraphQLUnionType), name
        assert union.name == f"{name[0].upper()}{name[1:]}Result"
        errors = errors_of(union)
        others = [m.name for m in union.types if m not in errors]
        assert len(errors) >= 1, name
        assert len(others) == 1, f"{name}: {others}"
        assert others[0].endswith("Success"), name


def test_types_that_are_errors_are_found_in_no_other_place(core_schema):
    """An Error is a union's member, never a field: else clients would look for it in two places."""
    error = core_schema.type_map["Error"]
    kinds = {error.name, *(t.name for t in core_schema.get_possible_types(error))}
    for name, kind in core_schema.type_map.items():
        if name.startswith("_"):
            continue
        for field, given in getattr(kind, "fields", {}).items():
            named = given.type
            while hasattr(named, "of_type"):
                named = named.of_type
            assert named.name not in kinds, f"{name}.{field}"


def test_every_mutation_says_who_may_or_why_everyone(declared):
    found = {}
    for field in declared:
        if field.type_name == "Mutation":
            found[field.name] = field.directive(Authenticated) is not None
    missing = {name for name, guarded in found.items() if not guarded}
    assert missing == FOR_EVERYONE.keys() & found.keys()
    assert FOR_EVERYONE.keys() <= found.keys()
    assert all(len(reason) > 20 for reason in FOR_EVERYONE.values())


def scopes_declared(field):
    scopes = field.directive(RequiresScopes)
    if scopes is not None:
        return [frozenset(str(scope) for scope in all_of) for all_of in scopes.scopes]
    return [] if field.directive(Authenticated) is not None else None


def scopes_enforced(field):
    guards = [e for e in field.field.extensions if isinstance(e, Guard)]
    assert len(guards) <= 1, str(field)
    return guards[0].alternatives if guards else None


def test_what_is_declared_is_what_is_enforced_in_the_whole_and_in_each_part(fields_of):
    parts = [None, *({domain} for domain in DOMAINS)]
    guarded = 0
    for domains in parts:
        fields = fields_of(build_schema(domains))
        for field in fields:
            assert scopes_enforced(field) == scopes_declared(field), f"{domains}: {field}"
            guarded += scopes_declared(field) is not None
    assert guarded >= 2 * 18  # each guarded field in the whole, and in one part


def test_scopes_imply_being_signed_in(declared):
    bad = [
        str(field)
        for field in declared
        if field.directive(RequiresScopes) is not None and field.directive(Authenticated) is None
    ]
    assert bad == []


def test_scopes_that_are_asked_for_exist(declared):
    for field in declared:
        for all_of in scopes_declared(field) or ():
            assert all_of, str(field)
            assert all_of <= KNOWN_SCOPES, str(field)
