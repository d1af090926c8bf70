"""OHIF in headless Chromium over a real archive: what a reader sees of a study, and what the browser complained of.

Waits are for what can be observed: an image that is rendered, a picture that no longer changes or that holds what is
looked for. Places on a picture are computed from the DICOM geometry, not by the viewer's own idea of what it drew.
"""

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from pydicom import Dataset

from console.viewer.pages import Viewer
from tests.support import counterparts
from tests.support.counterparts import ROOT
from tests.support.processes import wait_for
from tests.support.servers import Orthanc

Picture = NDArray[np.uint8]

# WebGL without a GPU, as a machine that runs tests has none; the sandbox needs rights that a container does not give.
_FLAGS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-sandbox",
)
_SIZE = (1600, 1000)
_PATIENCE = 60.0  # s for anything to appear, on a machine that renders by its CPU
_PANE = '[data-cy="viewport-pane"]'
_VIEWPORT = f"""
const element = document.querySelector('{_PANE} .cornerstone-viewport-element');
const viewport = element && window.cornerstone?.getEnabledElement(element)?.viewport;
"""
_DISPLAY_SET = "window.services.displaySetService.getActiveDisplaySets().find(one => one.SeriesInstanceUID === uid)"


def pages() -> Path:
    """The viewer's built pages, where they have been fetched."""
    found = sorted((ROOT / ".counterparts" / "ohif").glob("*/index.html"))
    return found[-1].parent if found else counterparts.missing("OHIF", counterparts.INSTALL)


def artefacts() -> Path:
    """Where pictures of the run are kept: DICOM_NODE_TEST_ARTEFACTS, else `build/screenshots`."""
    folder = Path(os.environ.get("DICOM_NODE_TEST_ARTEFACTS") or ROOT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Reader:
    """A browser before a viewer before `archive`."""

    def __init__(self, archive: Orthanc) -> None:
        self._program = counterparts.require("chromium")
        self._viewer = Viewer(pages(), archive.dicomweb)

    def __enter__(self) -> Self:
        self._viewer.__enter__()
        self._playwright = sync_playwright().start()
        self._browser: Browser = self._playwright.chromium.launch(executable_path=self._program, args=list(_FLAGS))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._browser.close()
        self._playwright.stop()
        self._viewer.__exit__(kind, error, at)

    def open(self, study_instance_uid: str) -> "Reading":
        """A new page on a study, once its first image is rendered."""
        page = self._browser.new_page(viewport={"width": _SIZE[0], "height": _SIZE[1]})
        # As a reader who has confirmed that the viewer is for investigational use; the notice would lie over the image.
        page.add_init_script("sessionStorage.setItem('investigationalUseDialog', 'hidden')")
        return Reading(page, self._viewer.origin, self._viewer.study(study_instance_uid))


class Reading:
    """One page on a study. `complaints` grows while it lives: errors of the console and the pages, refused requests."""

    def __init__(self, page: Page, address: str, study: str) -> None:
        self._page, self._address = page, address
        self.complaints: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("response", self._note_response)
        page.goto(study, timeout=_PATIENCE * 1000)
        self._await_rendered()

    def close(self) -> None:
        """Close the page."""
        self._page.close()

    def show(self, series_instance_uid: str) -> None:
        """Open a series by a double click on its entry, and wait until the viewer has read it."""
        identity = self._page.evaluate(f"uid => {_DISPLAY_SET}?.displaySetInstanceUID", series_instance_uid)
        assert identity, f"the viewer does not list the series {series_instance_uid}"
        entry = self._page.locator(f'[id="thumbnail-{identity}"]')
        entry.scroll_into_view_if_needed()
        entry.dblclick()
        read = f"uid => {{ const one = {_DISPLAY_SET}; return one.isLoaded !== false && !one.loading; }}"
        self._page.wait_for_function(read, arg=series_instance_uid, timeout=_PATIENCE * 1000)
        self._await_rendered()

    def read_document(self, series_instance_uid: str, words: str) -> str:
        """Open a report that has no place on an image, and wait for these words of it; all that is shown of it."""
        identity = self._page.evaluate(f"uid => {_DISPLAY_SET}?.displaySetInstanceUID", series_instance_uid)
        entry = self._page.locator(f'[id="thumbnail-{identity}"]')
        entry.scroll_into_view_if_needed()
        entry.dblclick()
        shown = self._page.locator(_PANE)
        shown.get_by_text(words).first.wait_for(timeout=_PATIENCE * 1000)
        return shown.inner_text()

    def series(self) -> list[tuple[str, str]]:
        """Modality and description of what the study's panel lists, in its order."""
        entries = self._page.locator('[data-cy="studyBrowser-panel"] [data-cy^="study-browser-thumbnail"]')
        modality, description = '[data-cy="series-modality-label"]', '[data-cy="series-description-label"]'
        return [
            (one.locator(modality).inner_text().strip(), one.locator(description).inner_text().strip())
            for one in entries.all()
        ]

    def segments(self) -> list[str]:
        """The labels in the panel of segments, which is opened."""
        self._page.locator('[data-cy="panelSegmentation-btn"]').click()
        rows = self._page.locator('[data-cy="data-row"] [data-cy="data-row-title"]')
        rows.first.wait_for(timeout=_PATIENCE * 1000)
        return [row.inner_text().strip() for row in rows.all()]

    def read_measurements(self, series_instance_uid: str) -> dict[str, str]:
        """What the viewer took from a report that is shown: the instance that each tracking identifier lies on."""
        taken = self._page.evaluate(
            f"""uid => {_DISPLAY_SET}.measurements.map(
                one => [one.TrackingIdentifier, one.loaded ? one.ReferencedSOPInstanceUID : ''])""",
            series_instance_uid,
        )
        return {str(identifier): str(instance) for identifier, instance in taken}

    def go_to(self, sop_instance_uid: str) -> None:
        """Scroll to an image of the series that is shown, and wait until it is rendered."""
        script = f"""uid => {{ {_VIEWPORT}
            const imageIndex = viewport.getImageIds().findIndex(one => one.includes(`/instances/${{uid}}/`));
            window.cornerstone.utilities.jumpToSlice(element, {{imageIndex}});
            return imageIndex; }}"""
        assert self._page.evaluate(script, sop_instance_uid) >= 0, f"{sop_instance_uid} is not in the series shown"
        self.await_instance(sop_instance_uid)

    def await_instance(self, sop_instance_uid: str) -> None:
        """Wait until the viewer has come to this image by itself."""
        self._await(f"viewport.getCurrentImageId().includes('/instances/{sop_instance_uid}/')")
        self._await_rendered()

    def next_place(self) -> None:
        """Ask for the next place of the report that is shown, by the arrow over the image."""
        self._page.locator('[data-cy="viewport-action-arrows-right"]').click()

    def words(self) -> list[str]:
        """The words drawn over the image, each line of each label."""
        lines = self._page.locator(f"{_PANE} svg tspan")
        return [text for text in (line.text_content() or "" for line in lines.all()) if text.strip()]

    def picture(self) -> Picture:
        """What is seen where the image is: (rows, columns, 3), with all that is drawn over it."""
        png = self._page.locator(f"{_PANE} canvas.cornerstone-canvas").first.screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def await_picture(self, wanted: Callable[[Picture], bool], what: str) -> Picture:
        """The first picture that is as wanted; fails after a while, with the last one kept among the artefacts."""

        def look() -> list[Picture]:
            seen = self.picture()
            return [seen] if wanted(seen) else []

        name = f"not-{re.sub('[^a-z]+', '-', what)}"
        (found,) = wait_for(look, _PATIENCE, what, lambda: f"seen: {self.keep(name)}")
        return found

    def places(self, image: Dataset, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points of an image lie on the picture, both (n, 2) as column and row.

        Image coordinates are those of SCOORD (PS3.3 C.18.6.1.1): the centre of the first pixel is (0.5, 0.5).
        """
        corner = np.array(image.ImagePositionPatient, float)
        along, down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, image.PixelSpacing)
        steps = (points - 0.5) * (between_columns, between_rows)
        world = corner + steps[:, :1] * along + steps[:, 1:] * down
        script = f"points => {{ {_VIEWPORT} return points.map(one => viewport.worldToCanvas(one)); }}"
        return np.array(self._page.evaluate(script, world.tolist()), float)

    def onto_picture(self, image: Dataset, mask: NDArray[np.bool_], shape: Sequence[int]) -> NDArray[np.bool_]:
        """A mask of an image (rows, columns) as it should lie on a picture of `shape`."""
        origin, right, down = self.places(image, np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        back = np.linalg.inv(np.stack([right - origin, down - origin], axis=1))
        y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
        column, row = np.floor(np.tensordot(back, np.stack([x - origin[0], y - origin[1]]), axes=1)).astype(int)
        inside = (row >= 0) & (column >= 0) & (row < mask.shape[0]) & (column < mask.shape[1])
        return np.asarray(inside & mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)])

    def keep(self, name: str) -> Path:
        """The whole page as `NAME.png` among the run's artefacts."""
        path = artefacts() / f"{name}.png"
        self._page.screenshot(path=path)
        return path

    def _await(self, condition: str) -> None:
        script = f"() => {{ {_VIEWPORT} return !!viewport && ({condition}); }}"
        try:
            self._page.wait_for_function(script, timeout=_PATIENCE * 1000)
        except PlaywrightError as error:
            raise AssertionError(
                f"{condition}: {error}; {self.complaints}; seen: {self.keep('not-rendered')}"
            ) from error

    def _await_rendered(self) -> None:
        """Until an image is on the screen and two pictures in a row are the same."""
        self._await("viewport.viewportStatus === 'rendered'")
        last = self.picture()

        def still() -> bool:
            nonlocal last
            before, last = last, self.picture()
            return before.shape == last.shape and bool((before == last).all())

        wait_for(still, _PATIENCE, "a picture that stays", interval=0.1)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _note_response(self, response: Response) -> None:
        if not response.url.startswith((f"{self._address}/", "blob:", "data:")):
            self.complaints.append(f"asked elsewhere: {response.url}")
        elif response.status >= 400:
            self.complaints.append(f"status {response.status}: {response.url}")


def coloured(picture: Picture) -> NDArray[np.bool_]:
    """Which pixels have a colour: the images are grey."""
    values = picture.astype(np.int16)
    return np.asarray(values.max(axis=2) - values.min(axis=2) > 25)


def untolerated(complaints: Sequence[str], tolerated: Mapping[str, str]) -> list[str]:
    """The complaints that no pattern of `tolerated` (with its reason) matches."""
    return [one for one in complaints if not any(re.search(pattern, one) for pattern in tolerated)]
