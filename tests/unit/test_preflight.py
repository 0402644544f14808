"""What a command says before it starts, instead of a traceback."""

import pytest
from pydantic import ValidationError

from core.migrations import is_behind
from core.preflight import DatabaseNotReady, complaints, require_database, unknown_names
from core.settings import Settings
from web.serving import worker_environment


async def test_a_migrated_database_is_taken(database_url):
    await require_database(database_url)


async def test_an_empty_database_is_refused_only_where_tables_are_needed(make_database):
    url = make_database()
    await require_database(url, migrated=False)
    with pytest.raises(DatabaseNotReady, match="mela db upgrade"):
        await require_database(url)


async def test_a_database_that_is_not_there_is_named_without_the_password():
    with pytest.raises(DatabaseNotReady, match="does not answer") as refused:
        await require_database("postgresql://mela:hidden@127.0.0.1:1/mela")
    assert "hidden" not in str(refused.value)


async def test_what_is_no_url_is_not_repeated():
    with pytest.raises(DatabaseNotReady, match="postgresql://user") as refused:
        await require_database("user:hidden")
    assert "hidden" not in str(refused.value)


def test_an_older_revision_is_behind_and_a_newer_versions_is_not():
    assert is_behind(None)
    assert is_behind("0001")
    assert not is_behind("of-a-version-to-come")


def test_misspelt_settings_are_found():
    names = ["MELA_PORT", "mela_host", "MELA_PROT", "MELA_TEST_DATABASE_URL", "HOME"]
    assert unknown_names(names) == ["MELA_PROT"]


def test_complaints_name_the_variables():
    with pytest.raises(ValidationError) as refused:
        Settings(port=70_000)
    assert complaints(refused.value).startswith("MELA_PORT: ")
    with pytest.raises(ValidationError) as refused:
        Settings(profile="prod")
    assert complaints(refused.value).startswith("the prod profile needs MELA_")


def test_a_worker_reads_the_settings_of_its_parent(monkeypatch, tmp_path):
    given = Settings(
        state_dir=tmp_path,
        database_url="postgresql://u:p@host/db",
        cors_origins="https://app.example, https://www.example",
        push_hosts=("push.example",),
        platform_tokens={"netflix": "a token"},
        trusted_documents=tmp_path / "manifest.json",
        trusted_only=True,
    )
    for name, value in worker_environment(given).items():
        monkeypatch.setenv(name, value)
    assert Settings() == given


@pytest.mark.parametrize("given", ["app.example", "https://app.example/path", "ftp://a.example"])
def test_what_is_no_origin_is_refused(given):
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(cors_origins=given)
