"""Which domains a process serves, as operators write them."""

import pytest
from pydantic import SecretStr

from app import create_app
from core.settings import Settings
from schema.build import DOMAINS
from schema.splitting import UnknownDomain, named_domains
from web.serving import worker_environment


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        (None, None),
        ("", None),
        (" , ", None),
        ("auctions", ("auctions",)),
        ("auctions, wallets,auctions", ("wallets", "auctions")),
        (",".join(DOMAINS), DOMAINS),
    ],
)
def test_domains_are_named_in_any_order(text: str | None, domains: object) -> None:
    assert named_domains(text) == domains


def test_an_unknown_domain_is_refused_with_a_list_of_all() -> None:
    with pytest.raises(UnknownDomain) as refused:
        named_domains("auctions,bids")
    assert str(refused.value) == f"no such domain: bids; there are {', '.join(DOMAINS)}"


def test_a_servers_workers_serve_the_same_subgraph(
    tmp_path, redis_server_url, postgres_url
) -> None:
    settings = Settings(
        domains="wallets,auctions",
        state_dir=tmp_path,
        database_url=SecretStr(postgres_url),
        redis_url=SecretStr(redis_server_url),
    )
    assert worker_environment(settings)["MELA_DOMAINS"] == "wallets,auctions"
    with pytest.raises(UnknownDomain):
        create_app(settings.model_copy(update={"domains": "nowhere"}))
