"""All configuration: one frozen `Settings`, read from `MELA_…` in `app.py` and `cli.py` alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Profile = Literal["dev", "prod", "test"]
MIB = 1024 * 1024
ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+")


class Settings(BaseSettings):
    """Every limit and address of a server. Durations end in `_s`, sizes in `_bytes`."""

    model_config = SettingsConfigDict(env_prefix="MELA_", frozen=True, extra="forbid")

    profile: Profile = Field("dev", description="dev shows GraphiQL and introspection; prod hides")
    state_dir: Path = Field(Path(".mela"), description="Embedded servers, keys, outbox, builds")
    storage_url: str | None = Field(
        None,
        pattern=r"^(file|s3|gs|az)://",
        description="Where files are kept: file:///folder, s3://bucket/prefix, gs://, az://, with "
        "the provider's usual variables; unset: the state folder",
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or later; unset starts the embedded one"
    )
    redis_url: SecretStr | None = Field(
        None, description="Redis 7 or later, or Valkey; unset starts the embedded one"
    )
    bus_prefix: str = Field("mela", max_length=64, description="Prefix of every Redis name")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65_535, description="First port to try; 0 takes any")
    workers: int = Field(1, ge=1, le=64, description="Server processes")
    domains: str | None = Field(
        None,
        max_length=200,
        description="Serve these domains as one subgraph: auctions,wallets; unset: the whole graph",
    )
    jobs: bool = Field(True, description="Run background jobs inside the server")
    demo: bool = Field(True, description="Seed a demo world into an empty embedded database")

    pool_max: int = Field(20, ge=1, le=100, description="Database connections a process")
    pool_timeout_s: float = Field(10.0, gt=0, description="Wait for one when all are in use")
    connect_timeout_s: float = Field(2.0, gt=0)
    idle_timeout_s: float = Field(30.0, gt=0)
    statement_timeout_s: float = Field(5.0, gt=0)
    slow_statement_s: float = Field(0.1, gt=0, description="Slower statements are logged")
    transaction_tries: int = Field(5, ge=1, le=20, description="Tries of a unit of work")

    page_default: int = Field(20, ge=1)
    page_max: int = Field(100, ge=1, description="Largest `first`")
    max_depth: int = Field(12, ge=1, description="Nesting of selections")
    max_aliases: int = Field(30, ge=0, description="Aliases in one document")
    max_tokens: int = Field(2_000, ge=1, description="Tokens in one document")
    max_document_length: int = Field(100_000, ge=1, description="Characters in one document")
    max_directives: int = Field(50, ge=0, description="Directives in one document")
    max_root_fields: int = Field(50, ge=1, description="Fields at the root of an operation")
    max_breadth: int = Field(300, ge=1, description="Fields side by side, fragments unfolded")
    max_fields: int = Field(5_000, ge=1, description="Fields of an operation, fragments unfolded")
    max_list_items: int = Field(1_000, ge=1, description="Items of a list in variables")
    max_string_length: int = Field(250_000, ge=1, description="Characters of a string in variables")
    max_cost: int = Field(2_000, ge=1, description="Points that one operation may cost")
    max_cost_anonymous: int = Field(1_000, ge=1, description="As above, of nobody signed in")
    rate_limits: Literal["auto", "on", "generous", "off"] = Field(
        "auto",
        description="What may be spent in a minute: on in prod, 10,000 times as much in dev "
        "(generous), off in test",
    )
    rate_points: int = Field(100, ge=1, description="Points that one of these requests is worth")
    rate_anonymous: int = Field(10, ge=1, description="Requests a minute, by address")
    rate_user: int = Field(100, ge=1, description="Requests a minute of somebody signed in")
    rate_premium: int = Field(1_000, ge=1, description="Requests a minute of the tier PREMIUM")
    rate_burst: int = Field(20, ge=1, description="Requests that may come at once")
    rate_daily: int = Field(100_000, ge=1, description="Requests on one day, of anybody")

    max_body_bytes: int = Field(1 * MIB, ge=1, description="Largest HTTP body or socket message")
    max_upload_bytes: int = Field(
        10 * MIB, ge=1, description="Largest sum of one request's uploaded files"
    )
    max_upload_files: int = Field(13, ge=1, le=100, description="Uploaded files in one request")
    request_timeout_s: float = Field(
        15.0, gt=0, description="A query or mutation that takes longer is stopped: TIMEOUT"
    )
    body_timeout_s: float = Field(60.0, gt=0, description="For a request's body to arrive: 408")
    document_cache_size: int = Field(1_000, ge=1, description="Parsed, validated documents kept")
    document_cache_bytes: int = Field(
        64 * MIB, ge=1, description="About as much memory they may take, their plans included"
    )
    trusted_documents: Path | None = Field(
        None, description="Manifest of trusted documents, in Apollo's format or Relay's"
    )
    trusted_only: bool = Field(False, description="Run those of the manifest and no others")
    registered_documents: int = Field(
        1_000, ge=0, le=100_000, description="Automatic persisted queries kept; 0 takes none"
    )
    executor: Literal["levels", "graphql-core"] = Field(
        "levels", description="How operations run; graphql-core's own is the slower reference"
    )
    max_operations_per_socket: int = Field(100, ge=1)
    max_sockets: int = Field(10_000, ge=1, description="WebSockets a process")
    max_sockets_per_address: int = Field(
        1_000, ge=1, description="Of them, of one address (IPv6: one /64); loopback has no limit"
    )
    max_sockets_per_viewer: int = Field(50, ge=1, description="Of them, of one signed-in user")
    socket_init_s: float = Field(
        10.0, gt=0, description="A WebSocket has so long to send connection_init"
    )
    socket_ping_s: float = Field(
        20.0, ge=0, description="WebSockets are pinged this often; 0: never"
    )
    socket_pong_s: float = Field(
        20.0, gt=0, description="A client that answers no ping for so long is closed"
    )

    subscriber_buffer: int = Field(1_000, ge=1, description="Events waiting for one subscriber")
    heads_interval_s: float = Field(1.0, gt=0, description="Pause between looks for lost events")
    presence_heartbeat_s: float = Field(20.0, gt=0, description="Open sockets say so this often")
    presence_expiry_s: float = Field(
        60.0, gt=0, description="A socket that says nothing for so long counts as gone"
    )
    presence_sweep_s: float = Field(3.0, gt=0, description="Pause between looks for such sockets")
    presence_write_s: float = Field(
        60.0, gt=0, description="When people were last here is written to the database this often"
    )
    typing_s: float = Field(5.0, gt=0, description="Typing ends by itself after so long")
    log_follow_s: float = Field(1.0, gt=0, description="Pause between looks into the event log")
    search_follow_s: float = Field(
        0.25, gt=0, description="As above, for search: how soon another server's change is found"
    )
    ending_soon_s: int = Field(
        15 * 60, ge=60, description="Watchers hear of a lot's end so long before it"
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:587 (STARTTLS where offered) or smtps://…; unset "
        "writes mails to the outbox in the state folder",
    )
    mail_from: str = Field("Mela <mela@localhost>", max_length=320, description="Sender of mails")
    push_keys_dir: Path | None = Field(
        None, description="VAPID key (P-256, PEM) of web push; unset: made in the state folder"
    )
    push_contact: str = Field(
        "mailto:mela@localhost",
        pattern=r"^(mailto:|https://)\S+$",
        description="Whom push services write to if something is wrong",
    )
    push_hosts: tuple[str, ...] = Field(
        (
            "fcm.googleapis.com",
            "push.services.mozilla.com",
            "push.apple.com",
            "notify.windows.com",
        ),
        description="Push services that may be asked, with their subdomains: nobody else's "
        "addresses are called",
    )

    feed_hosts: tuple[str, ...] = Field(
        ("api.themoviedb.org",),
        description="Hosts, or host:port, of platforms' feeds that may be asked: no others are",
    )
    platform_tokens: dict[str, SecretStr] = Field(
        default_factory=dict, description="JSON: what we show to platforms' feeds, by slug"
    )
    platform_webhook_secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="JSON: what signs platforms' webhooks (whsec_…), by slug; others are refused",
    )

    semantic: bool = Field(
        False, description="Search by meaning too: after make semantic, with mela search encode"
    )
    encode_queue_size: int = Field(
        100, ge=1, description="Queries waiting for their vector; more are searched without"
    )
    live_searches: int = Field(
        500, ge=1, description="Different searches a process keeps up to date for subscribers"
    )
    live_searches_per_socket: int = Field(10, ge=1, description="Of them, on one WebSocket")

    search_lexical_weight: float = Field(
        1.0, ge=0, le=100, description="What the ranking by words weighs in the fused one"
    )
    search_fuzzy_weight: float = Field(
        1.5, ge=0, le=100, description="The ranking by names like it"
    )
    search_semantic_weight: float = Field(1.0, ge=0, le=100, description="The ranking by meaning")
    search_fusion_k: int = Field(
        60,
        ge=1,
        le=1_000,
        description="k of reciprocal rank fusion: greater, and firsts weigh less",
    )

    bid_queue_size: int = Field(1_000, ge=1, description="Bids waiting on one auction")
    bid_batch_size: int = Field(200, ge=1, description="Bids taken in one transaction")

    access_token_s: int = Field(15 * 60, ge=1)
    refresh_token_s: int = Field(7 * 24 * 3600, ge=1)
    signing_algorithm: Literal["RS256", "ES256", "EdDSA"] = "RS256"
    signing_keys_dir: Path | None = Field(
        None,
        description="PEM private keys, the last by name signs; unset: made in the state folder",
    )
    ledger_keys_dir: Path | None = Field(
        None, description="Ed25519 keys (PEM) of the ledger's log; unset: made in the state folder"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Sites whose pages may call, as https://app.example, separated by commas; * is "
        "all of them. Outside of prod local pages always may",
    )
    compress: bool = Field(True, description="Compress answers over 1 KiB for who takes that")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^/\s]+$",
        description="Where people reach this server; named in messages they sign",
    )
    payment_webhook_secret: SecretStr | None = Field(
        None, description="Signs the payment provider's webhooks (whsec_…); unset refuses them"
    )
    payment_ask_again_s: int = Field(
        300, ge=30, le=86_400, description="Payments pending for longer are asked about again"
    )
    token_issuer: str = "mela"
    token_audience: str = "mela"
    sign_in_tries_per_account: int = Field(10, ge=1, description="In 15 minutes")
    sign_in_tries_per_address: int = Field(100, ge=1, description="In 15 minutes")
    trust_forwarded_for: bool = Field(False, description="Take the address from the proxy")
    argon2_memory_kib: int = Field(19_456, ge=8, description="OWASP's first choice: 19 MiB, t=2")
    argon2_time_cost: int = Field(2, ge=1)

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: bool = Field(False, description="A line for each request; metrics count anyway")
    otlp_endpoint: str | None = Field(None, description="OpenTelemetry collector over HTTP")

    @model_validator(mode="after")
    def _heartbeats_fit(self) -> Settings:
        if self.presence_expiry_s < 2 * self.presence_heartbeat_s:
            raise ValueError("presence_expiry_s must be at least twice presence_heartbeat_s")
        return self

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        given = json.loads(value) if value.startswith("[") else value.split(",")
        return tuple(str(one).strip().lower() for one in given if str(one).strip())

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if one != "*" and not ORIGIN.fullmatch(one):
                raise ValueError(f"{one} is no origin: write https://app.example, without a path")
        return value

    @model_validator(mode="after")
    def _trust_has_documents(self) -> Settings:
        if self.trusted_only and self.trusted_documents is None:
            raise ValueError("MELA_TRUSTED_ONLY needs MELA_TRUSTED_DOCUMENTS")
        return self

    @model_validator(mode="after")
    def _prod_brings_its_own(self) -> Settings:
        if self.profile == "prod":
            missing = [
                name
                for name in ("database_url", "redis_url", "signing_keys_dir", "ledger_keys_dir")
                if getattr(self, name) is None
            ]
            if missing:
                names = ", ".join(f"MELA_{name.upper()}" for name in missing)
                raise ValueError(f"the prod profile needs {names}")
        return self
