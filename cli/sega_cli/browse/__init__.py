"""`sega-vec browse`: look at a library in the browser."""

import click

from sega_cli.options import Place, library_option, reporting
from sega_cli.report import Report

EXAMPLES = """\b
Examples:
  sega-vec browse
  sega-vec browse --port 0 --no-open

\b
The pages are served to this machine only. With --host they are served to others, too, to whom knows the address that is
printed: it carries a token. Through a tunnel or a proxy, --trusted-host says by which name they are reached."""


@click.command("browse", epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="The port; 0: a free one.")
@click.option(
    "--trusted-host", multiple=True, metavar="NAME:PORT", help="Another name of this server; may be repeated."
)
@click.option("--open/--no-open", "show", default=True, show_default=True, help="Open a browser.")
@library_option
@reporting
def command(
    host: str,
    port: int,
    trusted_host: tuple[str, ...],
    show: bool,
    library: Place,
    report: Report,
) -> None:
    """Look at the library in the browser."""
    try:
        from sega_cli.browse.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (
            "fastapi",
            "starlette",
            "jinja2",
            "uvicorn",
            "python_multipart",
        ):
            raise
        raise click.ClickException(
            f"browse needs {error.name}, which isn't installed: pip install 'sega-vectors[browse]'"
        ) from error
    from tqdm import tqdm

    from sega_store import Library

    store = Library(library)
    with tqdm(desc="listing", unit="vector", delay=1, disable=not report.bars) as bar:
        store.refresh(bar.update)

    def ready(address: str) -> None:
        report.item(f"{store.where} is at {address}", bare=address)
        report.note("Ctrl-C ends it.")
        report.document({"library": str(library), "address": address})
        if show and report.terminal:
            import webbrowser

            webbrowser.open(address)

    serve(store, host, port, trusted_host, ready)
