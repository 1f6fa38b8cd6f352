"""The page in headless Chromium: it asks for nothing, complains of nothing and fits a telephone."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness.report import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
)  # fmt: skip
BY_THE_BROWSER = "not an origin"  # how Chromium's log marks its own requests for updates

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
Look = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def look(tmp_path) -> Look:
    """Open a file; returns what was printed and the addresses that the page asked for."""

    def opened(page: Path, *flags: str) -> tuple[str, list[str]]:
        profile = tmp_path / "profile"
        log = tmp_path / "net.json"
        command = [
            CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--log-net-log={log}", *flags,
            page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        shutil.rmtree(profile, ignore_errors=True)
        events = json.loads(log.read_text(encoding="utf-8"))["events"]
        assert events
        asked = [
            event["params"]["url"]
            for event in events
            if event.get("params", {}).get("initiator", BY_THE_BROWSER) != BY_THE_BROWSER
        ]
        return done.stdout + done.stderr, asked

    return opened


@pytest.fixture
def page(tmp_path, run) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(run))
    return render(folder)


def test_no_request_no_complaint_and_something_to_see(look, page, tmp_path):
    shot = tmp_path / "shot.png"
    said, asked = look(page, f"--screenshot={shot}", "--window-size=1200,3000")
    assert asked == []
    assert "CONSOLE" not in said
    with Image.open(shot) as image:
        assert image.size == (1200, 3000)
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
        background = max(colours)[0]
        assert len(colours) > 50
        assert 0.4 < background / (1200 * 3000) < 0.98


def test_the_check_itself_sees_requests_and_complaints(look, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='http://192.0.2.1/x.png'><script>console.error('boo')</script>")
    said, asked = look(bad, "--dump-dom")
    assert asked == ["http://192.0.2.1/x.png"]
    assert "CONSOLE" in said


def test_dark_readers_get_a_dark_page(look, page, tmp_path):
    def background(*flags: str) -> int:
        shot = tmp_path / "shot.png"
        look(page, *flags, f"--screenshot={shot}", "--window-size=800,600")
        with Image.open(shot) as image:
            return image.convert("L").getpixel((2, 2))

    assert background() > 240
    assert background("--force-dark-mode") < 40


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_only_tables_scroll_sideways(look, page, tmp_path, width):
    """Measured by a script the page itself does not have, in a frame as wide as the screen."""
    content = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    measure = "<script>parent.document.title=`${innerWidth} ${document.documentElement.scrollWidth}`</script>"
    frame = html.escape(content.replace("</body>", f"{measure}</body>"))
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<title>unmeasured</title><iframe style="width:{width}px;border:0" srcdoc="{frame}"></iframe>',
        encoding="utf-8",
    )
    said, _ = look(outer, "--dump-dom", "--window-size=1300,900")
    assert re.search(r"<title>(.*?)</title>", said).group(1) == f"{width} {width}"
