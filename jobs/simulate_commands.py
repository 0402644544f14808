"""The `mela simulate` commands: arguments, and what they show."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn
from rich.console import Console

from jobs.simulated_platforms import PLATFORMS, Simulation, simulated_platforms

_HOW = """\
  Let Mela ask them:   MELA_FEED_HOSTS='["{host}"]' mela serve
  As an administrator, for each of {names}:
    upsertPlatform, then setPlatformFeed(input: {{platformId: "plt_…", kind: JSON_FEED,
      url: "http://{host}/mooncast/offers?ids={{ids}}&region={{region}}",
      regions: ["FR", "DE"], options: {{ids: "mela", complete: true}}}})
  Ask at once: syncPlatform(input: {{platformId: "plt_…", scope: FULL}}), or verifyAvailability."""


def simulate_commands(out: Console) -> typer.Typer:
    """The commands, as a part of `mela`."""
    commands = typer.Typer(no_args_is_help=True, help="Things outside, made up for trying.")

    # One command alone would be the whole of it, and lose its name.
    @commands.callback()
    def _several() -> None:
        pass

    @commands.command()
    def platforms(
        port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 9100,
        step: Annotated[float, typer.Option(min=1, help="Seconds between their moves.")] = 60.0,
        trouble: Annotated[float, typer.Option(min=0, max=1, help="Part of failing answers.")] = 0,
        tell: Annotated[
            str | None,
            typer.Option(help="http://…/webhooks/availability/{platform}: tell by webhooks too."),
        ] = None,
        secret: Annotated[str | None, typer.Option(help="Signs the webhooks: whsec_…")] = None,
    ) -> None:
        """Serve made-up platforms whose offers come, go and change their price."""
        if (tell is None) != (secret is None):
            raise SystemExit("mela: --tell and --secret belong together")
        host, names = f"127.0.0.1:{port}", ", ".join(PLATFORMS)
        out.print(f"Platforms at http://{host}; Ctrl-C stops them.", highlight=False)
        out.print(
            _HOW.format(host=host, names=names), highlight=False, markup=False, soft_wrap=True
        )
        app = simulated_platforms(Simulation(step, trouble, tell, secret))
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")

    return commands
