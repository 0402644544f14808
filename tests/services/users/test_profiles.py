"""What people tell of themselves: kept exactly, or refused by field and reason."""

import pytest
from sqlalchemy import select

from core.errors import InvalidInput, NotFound
from core.ids import new_id
from models.user_tables import accounts, profiles
from services.users.profiles import update_profile
from tests.data import naughty_strings


@pytest.fixture
def change(db):
    async def change(user_id, **changes):
        await db.transaction(lambda tx: update_profile(tx, user_id=user_id, changes=changes))

    return change


@pytest.fixture
def read(db):
    async def read(user_id):
        async with db.read() as session:
            found = await session.execute(
                select(profiles, accounts)
                .join(accounts, accounts.c.id == profiles.c.user_id)
                .where(accounts.c.id == user_id)
            )
            return found.one()

    return read


async def test_the_named_fields_change_and_no_others(db, make_user, change, read):
    ada = await make_user("ada")
    del db.published[:]
    await change(
        ada,
        displayName="Ada \U0001f469\u200d\U0001f52c",
        avatarUrl="https://cdn.example/a.png",
        showEmail=True,
        bio="Line one.\nLine two.",
        pronouns="she/her",
        timeZone="Europe/Paris",
        locale="pt-BR",
        region="FR",
        socialLinks=["https://a.example", "http://b.example:8080/x?y#z"],
        visibility="PRIVATE",
        theme="dark",
        accentColour="#00ff7f",
    )
    row = await read(ada)
    assert row.display_name == "Ada \U0001f469\u200d\U0001f52c"
    assert (row.avatar_url, row.show_email) == ("https://cdn.example/a.png", True)
    assert (row.bio, row.pronouns, row.region) == ("Line one.\nLine two.", "she/her", "FR")
    assert (row.time_zone, row.locale, row.visibility) == ("Europe/Paris", "pt-BR", "PRIVATE")
    assert row.social_links == ["https://a.example", "http://b.example:8080/x?y#z"]
    assert (row.theme, row.accent_colour, row.website) == ("dark", "#00ff7f", None)
    await change(ada, avatarUrl=None, bio="")
    row = await read(ada)
    assert (row.avatar_url, row.bio, row.region) == (None, "", "FR")
    assert [event.type for event in db.published] == ["ProfileUpdated"] * 2
    assert db.published[0].payload == {"userId": f"usr_{ada.hex}"}


async def test_no_change_is_no_event(db, make_user, change):
    ada = await make_user()
    del db.published[:]
    await change(ada)
    assert db.published == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("displayName", ""),
        ("displayName", " "),
        ("displayName", "x" * 101),
        ("displayName", "a\nb"),
        ("displayName", None),
        ("bio", "x" * 2_001),
        ("bio", "a\0b"),
        ("avatarUrl", "javascript:alert(1)"),
        ("avatarUrl", "/relative.png"),
        ("avatarUrl", "https://"),
        ("avatarUrl", "https://ex ample/"),
        ("avatarUrl", "https://user:pw@example.com/"),
        ("avatarUrl", "https://[::1"),
        ("avatarUrl", "https://x.example:99999/"),
        ("website", "https://x.example/" + "x" * 2_048),
        ("timeZone", "Mars/Olympus"),
        ("locale", "english"),
        ("region", "XX"),
        ("region", "fr"),
        ("socialLinks", ["https://a.example"] * 11),
        ("socialLinks", ["ftp://a.example"]),
        ("visibility", "FRIENDS"),
        ("theme", "pink"),
        ("accentColour", "#FFF"),
        ("accentColour", "#00ff7f\n"),
    ],
)
async def test_what_breaks_a_limit_is_refused_and_nothing_changes(
    db, make_user, change, read, field, value
):
    ada = await make_user()
    before = await read(ada)
    del db.published[:]
    with pytest.raises(InvalidInput) as refused:
        await change(ada, **{"location": "Paris", field: value})
    assert refused.value.field == field
    assert await read(ada) == before
    assert db.published == []


async def test_somebody_must_be_there(change):
    with pytest.raises(NotFound):
        await change(new_id(), bio="hello")


async def test_naughty_strings_survive_the_database_or_are_refused(make_user, change, read):
    ada = await make_user()
    kept = 0
    for value in naughty_strings():
        try:
            await change(ada, bio=value)
        except InvalidInput:
            continue
        assert (await read(ada)).bio == value
        kept += 1
    assert kept > 490
