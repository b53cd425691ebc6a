"""`sega-vec browse`: look at a library in the browser."""

from contextlib import closing
from pathlib import Path

import click

from sega_cli.errors import DAMAGE_FOUND
from sega_cli.options import FOLDER, Place, device_options, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

EXAMPLES = """\b
Examples:
  sega-vec browse
  sega-vec browse --port 0 --no-open
  sega-vec browse --export site

\b
By default, only this machine can open the pages. With --host, other machines can too, if they know the printed
address, which contains a token. Behind a tunnel or a proxy, give its name for this server with --trusted-host.
--export writes the same gallery as files, for a Hugging Face Space, GitHub Pages, or a folder of your own."""

_EXTRA = ("fastapi", "starlette", "jinja2", "uvicorn", "python_multipart")


@click.command("browse", epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", help="The address to serve on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, help="The port; 0 picks a free one.")
@click.option(
    "--trusted-host", multiple=True, metavar="NAME:PORT", help="Another name of this server; may be repeated."
)
@click.option("--open/--no-open", "show", default=True, help="Open a browser.")
@click.option("--export", type=FOLDER, help="Write the pages into this new folder, and serve nothing.")
@click.option("--no-generate", is_flag=True, help="Only show the library: offer neither to apply nor to record.")
@click.option(
    "--pictures",
    type=FOLDER,
    help="The folder for pictures that you keep.  [default: the library's folder with -pictures appended]",
)
@device_options
@on_library
@click.pass_context
def command(
    ctx: click.Context,
    host: str,
    port: int,
    trusted_host: tuple[str, ...],
    show: bool,
    export: Path | None,
    no_generate: bool,
    pictures: Path | None,
    device: str,
    dtype: str,
    library: Place,
    report: Report,
) -> None:
    """Look at the library in the browser."""
    try:
        from sega_cli.browse.export import export_site
        from sega_cli.browse.jobs.queue import JobQueue
        from sega_cli.browse.server import serve
        from sega_cli.browse.studio import Studio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise click.ClickException(
            f"browse needs {error.name}, which isn't installed: pip install 'sega-vectors[browse]'"
        ) from error
    store = open_library(library)
    with report.progress("vector", desc="listing", delay=1) as step:
        store.catalogue.refresh(step)
    if export is not None:
        with report.progress("vector") as step:
            count, damaged = export_site(store, export, step)
        report.item(f"{count} vectors  {clean(str(export))}", bare=str(export))
        for problem in damaged:
            report.note(f"damaged: {clean(str(problem))}")
        problems = [str(problem) for problem in damaged]
        report.document({"library": str(library), "path": str(export), "vectors": count, "damaged": problems})
        if damaged:
            ctx.exit(DAMAGE_FOUND)
        return

    def ready(address: str) -> None:
        report.item(f"{clean(store.where)} is at {address}", bare=address)
        report.note("Ctrl-C ends it.")
        report.document({"library": str(library), "address": address})
        if show and report.terminal:
            import webbrowser

            webbrowser.open(address)

    if pictures is None and isinstance(library, Path):
        folder = library.absolute()
        pictures = folder.with_name(f"{folder.name}-pictures")
    with closing(JobQueue(library, device, dtype)) as queue:
        serve(store, host, port, trusted_host, ready, None if no_generate else Studio(queue, pictures))
