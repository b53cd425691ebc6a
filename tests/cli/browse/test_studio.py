"""Apply and record in a real browser, on the embedded model; and what these pages withstand."""

import http.client
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from sega_cli.browse.jobs.orders import STRIP, ApplyOrder, Order, RecordOrder
from sega_cli.browse.jobs.queue import BusyError, Job
from sega_cli.browse.parts.sliders import sliders
from sega_cli.generating.defaults import defaults_of
from sega_store import Concept
from tests.cli.browse.axe import violations
from tests.cli.browse.serving import Served
from tests.cli.browse.studio import Studio, studio, until
from tests.cli.commands.test_browse import browsing
from tests.cli.provenance import read_provenance

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MANY = {"num_inference_steps": 900}
EVIL = "<img src=x onerror=alert(1)>\"'&\u202e"


@pytest.fixture(scope="module")
def made(recorded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGA_VEC_CACHE", str(folder / "cache"))
        with studio(recorded_once, folder, most_waiting=3) as opened:
            yield opened


@pytest.fixture
def site(made: Studio) -> Served:
    return made.served


@pytest.fixture
def long(made: Studio) -> Iterator[Job]:
    """A job that takes minutes, and has begun; it is cancelled in the end."""
    job = made.queue.submit(ApplyOrder([made.id_of("glasses")], [{}], ["a queen"], run=MANY))
    until(lambda: job.progress.done > 3)
    yield job
    for other in made.queue.list():
        made.queue.cancel(other)
    until(lambda: job.progress.over)


def over(page: "Page", state: str = "done") -> None:
    page.locator(f"#job[data-state={state}]").wait_for(timeout=60_000)


@pytest.fixture(scope="module")
def ended(made: Studio) -> dict[str, str]:
    """The pages of jobs that have ended in each way, by name."""
    hat = made.id_of("hat")
    orders: dict[str, Order] = {
        "applied": ApplyOrder([hat, made.id_of("glasses")], [{}, {}], ["a pencil drawing of a queen", "a man"], STRIP),
        "recorded": RecordOrder("a portrait of a man", [Concept("beard"), Concept("smile")], seed=9),
        "failed": ApplyOrder([hat], [{"edit_threshold": 0.1}], ["a man"], (0.0, 1.0), {"guidance_scale": 3.0}),
        "compatible": ApplyOrder([hat], [{}], ["a man"], run={"guidance_scale": 3.0}),
    }
    jobs = {}
    for name, order in orders.items():
        jobs[name] = made.queue.submit(order)
        until(lambda job=jobs[name]: job.progress.over)  # type: ignore[misc]
    assert [job.progress.state for job in jobs.values()] == ["done", "done", "failed", "done"]
    return {name: f"/jobs/{job.id}" for name, job in jobs.items()}


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 360),
        ("dark", 2560),
        pytest.param("dark", 360, marks=pytest.mark.slow),
        pytest.param("light", 2560, marks=pytest.mark.slow),
    ],
)
def test_every_page_is_accessible_and_fits(
    chromium: "Browser", made: Studio, ended: dict[str, str], shots: Path, theme: str, width: int
) -> None:
    picked = "&".join(
        f"id={made.id_of(concept, seed)}" for concept, seed in [("hat", 21), ("beard", 21), ("glasses", 22)]
    )
    pages = {"apply": f"/apply?{picked}", "apply-first": "/apply", "record": "/record", "jobs": "/jobs", **ended}
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        base_url=made.served.address,
    )
    for name, path in pages.items():
        page = context.new_page()
        page.goto(path)
        for closed in page.locator("details:not([open]) > summary").all()[::-1]:
            closed.click()
        for image in page.locator("img[loading]").all():
            image.evaluate("image => { image.loading = 'eager'; return image.decode() }")
        page.screenshot(path=shots / f"{name}-{theme}-{width}.png", full_page=True)
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        page.close()
    context.close()


def test_vectors_are_picked_applied_and_their_pictures_kept(page: "Page", made: Studio, tmp_path: Path) -> None:
    page.goto("/apply")
    page.get_by_role("link", name="Add glasses").first.wait_for()
    page.locator(f"[hx-get='/apply/vectors/{made.id_of('glasses')}']").click()
    page.get_by_role("link", name="Add hat").click()
    page.locator("#picked article").nth(1).wait_for()
    unfit = page.locator(".listed.unfit").filter(has_text="seed 22 instead")
    unfit.wait_for()
    assert "another initial noise, seed 22 instead of seed 21" in unfit.inner_text()
    assert unfit.get_by_role("link").count() == 0
    assert page.url.endswith(f"?id={made.id_of('glasses')}&id={made.id_of('hat')}"), "it can be shared"

    scale = page.locator("[name=edit_guidance_scale]").first
    scale.fill("15")
    scale.press("ArrowRight")
    assert page.locator(".slider.changed .value").all_inner_texts() == ["15.5"]
    page.get_by_label("Prompts").fill("a pencil drawing of a queen\na photograph of a man")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/jobs/*")
    assert page.locator("h1").inner_text() == "Apply glasses + hat"
    over(page)
    assert page.locator(".take img[src*=pictures]").count() == 4
    assert page.locator("#where").inner_text() == "Done"
    assert not page.locator("#cancel").is_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download guided").first.click()
    download.value.save_as(tmp_path / "guided.png")
    facts = read_provenance(tmp_path / "guided.png")
    assert facts["run"]["prompt"] == "a pencil drawing of a queen"
    assert [vector["edit"] for vector in facts["vectors"]] == [{"edit_guidance_scale": 15.5}, {}]
    page.get_by_role("button", name="Keep guided").first.click()
    page.get_by_text("Kept in").wait_for()
    (kept,) = made.pictures.iterdir()
    assert kept.read_bytes() == (tmp_path / "guided.png").read_bytes()
    page.reload()
    assert page.locator(".take img[src*=pictures]").count() == 4
    page.get_by_role("link", name="Change and run again").click()
    assert page.get_by_label("Prompts").input_value() == "a pencil drawing of a queen\na photograph of a man"
    assert page.locator("#picked article").count() == 2
    assert page.locator(".slider.changed .value").all_inner_texts() == ["15.5"]
    assert [slider.input_value() for slider in page.locator("[name=edit_guidance_scale]").all()] == ["15.5", "10"]
    assert page.get_by_label("the plain run beside it").is_checked()
    assert not page.get_by_label("a strip of scales").is_checked()


def test_an_order_that_is_changed_again_stands_as_it_was(page: "Page", made: Studio) -> None:
    vector, other = made.id_of("glasses"), made.id_of("hat")
    run = {"num_inference_steps": 3, "guidance_scale": 2.5, "negative_prompt": "<i>\"'&amp;"}
    momentum = {"edit_momentum_scale": 0.3, "edit_mom_beta": 0.0}
    edit = {"edit_guidance_scale": -12.0, "edit_threshold": 0.9, "edit_warmup_steps": 0, "edit_cooldown_steps": 2}
    own = {**defaults_of("embedded").edit, "edit_guidance_scale": 7.0, "edit_cooldown_steps": 9}
    concepts = [Concept(text, **own) for text in ("hat", "red & blue hair")]
    prompts = ["a man", "<i>\"'&amp;"]
    for form, button, order in (
        ("/apply", "Run", ApplyOrder([vector, other], [edit | momentum, momentum], prompts, STRIP, run)),
        ("/apply", "Run", ApplyOrder([vector], [{"edit_weight": 0.5}], ["a man"], (1.0,))),
        ("/record", "Record", RecordOrder("a man", concepts, seed=9, run=run)),
        ("/record", "Record", RecordOrder("a man", concepts, noise=made.library.noise(vector).sha256)),
    ):
        ordered = made.queue.submit(order)
        made.queue.cancel(ordered)
        page.goto(f"{form}?job={ordered.id}")
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_url("**/jobs/*")
        again = made.last()
        made.queue.cancel(again)
        assert again.id > ordered.id
        assert again.order == order


def test_a_form_is_found_again_by_jobs_of_its_kind_only(made: Studio) -> None:
    job = made.queue.submit(ApplyOrder([made.id_of("glasses")], [{}], ["a man"]))
    made.queue.cancel(job)
    assert made.served.ask(f"/record?job={job.id}").status == 404
    assert made.served.ask(f"/apply?job={job.id + 1}").status == 404


def test_a_vector_is_taken_out_again(page: "Page", made: Studio) -> None:
    page.goto(f"/apply?id={made.id_of('glasses')}&id={made.id_of('hat')}&id={made.id_of('glasses', 22)}")
    assert "another initial noise" in page.locator("p.problem").inner_text()
    page.get_by_text("Add a vector").click()
    page.get_by_role("link", name="Add beard").wait_for()
    page.get_by_role("button", name="Take glasses out").click()
    page.get_by_role("link", name="Add glasses").wait_for()
    assert page.url.endswith(f"/apply?id={made.id_of('hat')}")
    page.get_by_label("Search").fill("bear")
    until(lambda: set(page.locator(".listed strong").all_inner_texts()) == {"beard"})


def test_a_strip_of_scales(page: "Page", made: Studio) -> None:
    page.goto(f"/apply?id={made.id_of('beard')}")
    page.get_by_label("Prompts").fill("a queen")
    page.get_by_label("a strip of scales").check()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/jobs/*")
    over(page)
    captions = [text.split("\n")[0] for text in page.locator("figcaption").all_inner_texts()]
    assert captions == ["guided × −2", "guided × −1", "plain", "guided", "guided × 2"]
    assert len({made.last().progress.pictures[shot].png for shot in range(5)}) == 5


def test_a_wrong_order_is_refused_where_it_is_written(page: "Page", made: Studio) -> None:
    page.goto("/apply")
    page.get_by_label("Prompts").fill("a queen")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("an order is for 1 to 8 vectors, met 0").wait_for()
    assert page.get_by_label("Prompts").input_value() == "a queen", "nothing that was written is lost"


def test_progress_is_seen_and_a_job_is_cancelled(page: "Page", made: Studio, long: Job) -> None:
    page.goto(f"/jobs/{long.id}")
    where = page.locator("#where")
    first = where.inner_text()
    assert first.startswith("Picture 1 of 1, step ")
    page.locator(".take.running img[src*=live]").wait_for()
    until(lambda: where.inner_text() != first)
    waiting = made.queue.submit(RecordOrder("a man", [Concept("hat")]))
    second = page.context.new_page()
    second.goto(f"/jobs/{waiting.id}")
    assert second.locator("#where").inner_text() == "Next in the queue"
    second.get_by_role("button", name="Cancel").click()
    over(second, "cancelled")
    second.close()
    assert not long.progress.over, "it was the other's"
    page.get_by_role("button", name="Cancel").click()
    over(page, "cancelled")
    assert page.get_by_role("link", name="Change and run again").is_visible()


def test_concepts_are_recorded_and_appear_in_the_gallery(page: "Page", made: Studio) -> None:
    page.goto("/record")
    page.get_by_label("Prompt", exact=True).fill("a photograph of a woman")
    page.get_by_label("Concepts").fill("smile\nbeard")
    page.get_by_label("Seed", exact=True).fill("5")
    page.get_by_text("The run").click()
    page.get_by_label("Steps").fill("6")
    page.get_by_role("button", name="Record").click()
    page.wait_for_url("**/jobs/*")
    over(page)
    page.get_by_role("heading", name="Recorded").wait_for()
    assert page.locator("#outcome .listed").count() == 2
    assert page.locator(".take img[src*=pictures]").count() == 2
    (smile,) = (entry for entry in made.library.search(concept="smile") if entry.seed == 5)
    assert smile.steps == 6
    concept = made.library[smile.id].concept
    assert (concept.edit_guidance_scale, concept.edit_threshold) == (10.0, 0.8), "the model's defaults"
    page.goto("/")
    page.get_by_text("a photograph of a woman").first.wait_for()

    page.goto(f"/noises/{smile.noise}")
    page.get_by_role("link", name="Record from it").click()
    assert page.locator("[name=start][value=noise]").is_checked()
    page.get_by_label("Prompt", exact=True).fill("a king")
    page.get_by_label("Concepts").fill("hat")
    page.get_by_text("The run").click()
    page.get_by_label("Steps").fill("6")
    page.get_by_role("button", name="Record").click()
    page.wait_for_url("**/jobs/*")
    over(page)
    assert smile.noise in {entry.noise for entry in made.library.search(concept="hat")}


def test_a_models_own_defaults_are_shown(page: "Page") -> None:
    page.goto("/record")
    assert page.locator("#parameters .value").all_inner_texts() == ["10", "0.8", "2", "never"]
    page.get_by_label("Model").fill("some/other")
    page.get_by_label("Model").press("Tab")
    page.locator("[name=edit_threshold][value='0.95']").wait_for()
    assert page.locator("#parameters .value").all_inner_texts() == ["5", "0.95", "10", "never"]


def names_of_sliders() -> list[str]:
    return [slider.name for slider in sliders(Concept("a"), 8, keep=True)]


def test_without_scripts_the_forms_work_too(made: Studio) -> None:
    hat = made.id_of("hat")
    parameters = list(zip(names_of_sliders(), ("10", "0.8", "1", "8", "1"), strict=True))
    reply = made.post("/apply", [("id", hat), *parameters, ("prompts", "a queen")])
    assert (reply.status, reply.headers["location"]) == (303, f"/jobs/{made.last().id}")
    assert made.last().order == ApplyOrder([hat], [{}], ["a queen"])
    reply = made.post(f"/jobs/{made.last().id}/cancel")
    assert (reply.status, reply.headers["location"]) == (303, f"/jobs/{made.last().id}")


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ([], 422, "1 to 8 vectors, met 0"),
        ([("id", "nothing")], 404, "Nothing in"),
        ([("id", "hat"), ("prompts", "x")], 422, "edit_guidance_scale is wanted once for each of 1 vectors, met 0"),
        ([("id", "hat"), ("edit_guidance_scale", EVIL)], 422, "met &#39;&lt;img src=x"),
        ([("id", "hat")] * 201, 400, ""),
        ([("id", "hat"), ("id", "../../etc/passwd")], 404, "etc/passwd"),
    ],
)
def test_a_bad_form_is_refused(made: Studio, form: list[tuple[str, str]], status: int, message: str) -> None:
    before = len(made.queue.list())
    form = [(name, made.id_of("hat") if value == "hat" else value) for name, value in form]
    reply = made.post("/apply", form)
    assert reply.status == status
    assert message in reply.text
    assert "<img src=x" not in reply.text
    assert len(made.queue.list()) == before


def test_vectors_that_do_not_fit_are_refused(made: Studio) -> None:
    chosen = [("id", made.id_of("glasses")), ("id", made.id_of("glasses", 22))]
    values = [(name, "1") for name in names_of_sliders() for _ in chosen]
    reply = made.post("/apply", [*chosen, *values, ("prompts", "x")])
    assert reply.status == 422
    assert "another initial noise, seed 22 instead of seed 21" in reply.text


@pytest.mark.parametrize("path", ["/apply", "/record", "/jobs/1/cancel", "/jobs/1/pictures/0/keep"])
def test_only_our_own_pages_may_order(made: Studio, path: str) -> None:
    before = len(made.queue.list())
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert made.post(path, headers=headers).status in (403, 421)
    assert made.post(path, body=b"x" * (1 << 21)).status == 413
    assert len(made.queue.list()) == before


@pytest.mark.parametrize(
    "path",
    ["/jobs/0", "/jobs/-1", "/jobs/x", "/jobs/99999999999999999999999", "/jobs/0/events", "/jobs/0/live",
     "/jobs/1/pictures/99.png", "/jobs/1/pictures/..%2f..png", "/apply/vectors/..%2f..%2fetc", "/apply?id=nothing"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(made: Studio, path: str) -> None:
    assert made.served.ask(path).status in (404, 422)


def test_hostile_texts_are_texts(page: "Page", made: Studio) -> None:
    prompt = EVIL
    vector = made.library[made.id_of("hat")]
    try:
        made.library.annotate(vector.id, name=EVIL[:30], notes=EVIL)
        made.queue.submit(ApplyOrder([vector.id], [{}], [prompt], (0.0,)))
        job = made.last()
        until(lambda: job.progress.over)
        assert job.progress.state == "done", job.progress.reason
        for path in (f"/apply?job={job.id}", "/apply", f"/jobs/{job.id}", "/jobs"):
            page.goto(path)
            assert page.locator("img[src=x]").count() == 0
            assert "\u202e" not in page.content().replace("%E2%80%AE", "")
        page.goto(f"/jobs/{job.id}")
        assert page.locator("h2").first.inner_text() == prompt.replace("\u202e", "\ufffd")
        reply = made.served.ask(f"/jobs/{job.id}/pictures/0.png?download=1")
        assert reply.status == 200
        assert set(reply.headers["content-disposition"]).isdisjoint("<>&\n'")
    finally:
        made.library.annotate(vector.id, name=None, notes="")


def test_too_many_jobs_are_refused_with_a_message(page: "Page", made: Studio, long: Job) -> None:
    order = RecordOrder("a man", [Concept("hat")])
    with suppress(BusyError):
        for _ in range(9):
            made.queue.submit(order)
    page.goto("/record")
    page.get_by_label("Prompt", exact=True).fill("a man")
    page.get_by_label("Concepts").fill("hat")
    page.on("response", lambda response: response.finished())
    page.get_by_role("button", name="Record").click()
    page.get_by_text("3 jobs may wait, and 3 do").wait_for()


def test_fifty_streams_block_no_page_and_end_with_their_readers(made: Studio, long: Job) -> None:
    host, port = made.served.host.split(":")
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_connection((host, int(port)))) for _ in range(50)]
        for stream in sockets:
            stream.sendall(f"GET /jobs/{long.id}/events HTTP/1.1\r\nHost: {made.served.host}\r\n\r\n".encode())
        until(lambda: made.streams.open == 50)
        assert b"text/event-stream" in sockets[0].recv(65536)
        start, steps = time.monotonic(), long.progress.done  # nobody reads the other 49
        for path in ("/", "/apply", "/record", "/jobs"):
            assert made.served.ask(path).status == 200
        assert time.monotonic() - start < 10
        until(lambda: long.progress.done > steps)
    until(lambda: made.streams.open == 0)


def test_more_streams_than_there_may_be_are_refused(made: Studio, long: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made.streams, "most", 1)
    with closing(http.client.HTTPConnection(made.served.host, timeout=60)) as connection:
        connection.request("GET", f"/jobs/{long.id}/events")
        assert connection.getresponse().read(5) == b"data:"
        assert made.served.ask(f"/jobs/{long.id}/events").status == 429
    until(lambda: made.streams.open == 0)


def test_a_full_disk_is_said_and_the_picture_is_not_lost(made: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    made.queue.submit(ApplyOrder([made.id_of("hat")], [{}], ["a king"], (0.0,)))
    job = made.last()
    until(lambda: job.progress.over)
    shutil.rmtree(made.pictures, ignore_errors=True)
    made.pictures.write_text("a file")
    try:
        reply = made.post(f"/jobs/{job.id}/pictures/0/keep")
    finally:
        made.pictures.unlink()
    assert reply.status == 503
    assert "can still be downloaded" in reply.text
    assert made.served.ask(f"/jobs/{job.id}/pictures/0.png").data.startswith(b"\x89PNG")


def test_a_crash_is_told(page: "Page", made: Studio, long: Job) -> None:
    page.goto(f"/jobs/{long.id}")
    process = made.queue.process
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    page.get_by_text("has ended by the signal SIGKILL, often for lack of memory").wait_for()
    over(page, "failed")
    page.goto("/jobs")
    assert "failed" in page.locator(".listed").first.inner_text()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for the children of a process")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_servers_end_is_that_of_streams_and_of_the_process_that_generates(
    recorded_once: Path, folder: Path, end: signal.Signals
) -> None:
    shutil.copytree(recorded_once, folder / "library")
    order = [("prompt", "a man"), ("concepts", "hat"), ("num_inference_steps", "900")]
    values = {"edit_threshold": "0.9", "edit_cooldown_steps": "900"}
    order += [(name, values.get(name, "1")) for name in names_of_sliders()]
    with browsing("--quiet") as (process, address):
        netloc = urlsplit(address).netloc
        with closing(http.client.HTTPConnection(netloc, timeout=60)) as connection:
            headers = {"Origin": f"http://{netloc}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/record", urlencode(order), headers)
            assert connection.getresponse().read() == b""
            connection.request("GET", "/jobs/1/events")
            stream = connection.getresponse()
            # A step has been made: a running job may not have its process yet.
            assert any(re.search(rb'"shot": \d', line) for line in iter(stream.readline, b""))
            tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
            children = [Path("/proc", child) for task in tasks for child in task.read_text().split()]
            assert children
            process.send_signal(end)
            _, errors = process.communicate(timeout=20)
    assert end is signal.SIGKILL or "Traceback" not in errors
    until(lambda: not any(child.exists() for child in children), 30)
