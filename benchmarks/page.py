"""The page of explanations: its size, seconds until its slider answers, memory; for 10, 100 and 1,000 rows.

    python benchmarks/page.py [--rows 10 100 1000]

Rows are of ten columns, every subset compared. A page is opened from disk in a new browser, at its last
row: the clock runs from the start of loading until a move of the slider has changed what is shown. Memory is
the peak of resident memory of the browser's process of the page. Needs what `make browser` installs.
"""

import argparse
import tempfile
import time
from pathlib import Path
from shutil import which

import numpy as np
from playwright.sync_api import Browser, sync_playwright

import onlyif

COLUMNS = 10
TURNS = 3
MIB = 2**20


def explained(n_rows: int) -> onlyif.Explanations:
    """Rows of a made-up model with interactions, all subsets compared."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(n_rows, COLUMNS)), rng.normal(size=COLUMNS)

    def model(rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(rows @ weights + rows[:, 0] * rows[:, 1])))

    return onlyif.explain(model, x, background=rng.normal(size=(40, COLUMNS)), progress=False)


def opened(browser: Browser, page_file: Path, last: int) -> tuple[float, float]:
    """Seconds until the slider answers, and the peak of resident memory in MiB of the page's process."""
    page = browser.new_page()
    begun = time.perf_counter()
    page.goto(f"{page_file.as_uri()}#row-{last}")
    said = page.locator(f"#row-{last} .alpha output")
    before = said.get_attribute("data-alpha")
    page.locator(f"#row-{last} .alpha input[type=range]").press("End")
    while said.get_attribute("data-alpha") == before:
        time.sleep(0.002)
    seconds = time.perf_counter() - begun
    memory = max(map(_peak, _renderers()))
    page.close()
    return seconds, memory / MIB


def _renderers() -> list[Path]:
    """The browser's processes that hold pages."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


def _peak(process: Path) -> int:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 100, 1000])
    sizes = parser.parse_args().rows
    print(f"{'rows':>6} {'MB':>7} {'kB a row':>9} {'write s':>8} {'slider s':>9} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        for n_rows in sizes:
            found = explained(n_rows)
            begun = time.perf_counter()
            page_file = found.to_html(Path(folder) / f"{n_rows}.html")
            written, size = time.perf_counter() - begun, page_file.stat().st_size
            turns = []
            for _ in range(TURNS):
                browser = started.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
                turns.append(opened(browser, page_file, n_rows - 1))
                browser.close()
            seconds, memory = (sorted(each)[TURNS // 2] for each in zip(*turns, strict=True))
            print(
                f"{n_rows:>6} {size / 1e6:>7.2f} {size / 1e3 / n_rows:>9.1f} {written:>8.1f} {seconds:>9.2f} "
                f"{memory:>9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
