"""Running the service, or a worker for it; and what the service says of its interface."""

import json

import typer

from app import logs, serve
from app.commands.output import out
from app.commands.settings import keep_files_private
from app.config import Settings
from app.embedding.on_ray import node
from app.main import create_app


def run_service(host: str | None, port: int | None) -> None:
    """`haja serve`."""
    keep_files_private()
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    settings = Settings(**given)  # type: ignore[arg-type]
    logs.configure(settings.log_level)

    def greet(address: str, is_open: bool) -> None:
        out.print(
            f"Haja runs: open {address} in a browser. The page {address}/docs describes every call; Ctrl+C ends it.",
            soft_wrap=True,
        )
        if is_open:
            out.print(
                "There is no key yet, so nobody has to sign in, and only this machine is answered: "
                "`haja keys create` makes the first one.",
                soft_wrap=True,
            )

    serve.serve(settings, greet)


def run_worker(address: str | None, cpus: int | None) -> None:
    """`haja worker`."""
    keep_files_private()

    def greet(sentence: str) -> None:
        out.print(f"{sentence} SIGTERM or Ctrl+C ends this machine's part.", soft_wrap=True, highlight=False)

    settings = Settings() if address is None else Settings(ray_address=address)
    logs.configure("error")
    node.work(settings, join=address is not None, cpus=cpus, on_start=greet)


def print_openapi() -> None:
    """`haja openapi`."""
    document = create_app(Settings()).openapi()
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
