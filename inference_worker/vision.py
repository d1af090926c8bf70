"""Packages whose network is a general model of the site's that sees: here, behind walls, are made the pictures that may
be shown to it. What is asked, and of whom, is not known here; nothing leaves from here.

A picture is what a viewer shows first: rescaled, windowed, 8 bits of grey, without overlay planes, which are not read
(PS3.3 C.9.2), and without anything of the header. Each goes back in the place of a map.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.errors import NodeError, NotSuitable
from domain.findings import Findings, Map
from inference_worker.burned_in import TextReader
from inference_worker.guards import refuse_input
from inference_worker.images import Images, Picture
from inference_worker.loading import refusing
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Loaded, Outcome, Runs, Sources
from inference_worker.transforms.arrays import Sampled, to_numpy
from inference_worker.transforms.shapes import resize
from models.manifest import VISION
from models.registry import Package, Registry, verify
from models.signing import require, trusted_keys
from models.steps import Resize

_log = logging.getLogger(__name__)

METHOD = "picture"  # of the maps that are pictures
_WHITE = 255


def load(setup: ModelProcessConfig, loading: Callable[[str], None] = lambda name: None) -> Runs:
    """The runs of the packages of `setup` that ask a general model, and of no other: no code of a package is run here.

    One that was changed, that lacks a signature which is asked for, or that is barred fails each of its runs with that
    reason. Raises ConfigurationError where a key is wrong, or rapidocr is missing.
    """
    keys = None if setup.keys is None else trusted_keys(setup.keys)
    reader = TextReader(setup.threads)
    runs = {}
    for one in Registry.load(setup.models).packages.values():
        if one.manifest.network.kind != VISION:
            continue
        loading(one.name)
        try:
            if keys is not None:
                require(one, keys)
            verify(one)
            loaded = Loaded(one.manifest.inputs, Renderer(one, reader.refuse).run)
        except NodeError as error:
            _log.error("package %s cannot run: %s", one.name, error)
            loaded = refusing(one, error)
        runs[one.name, one.manifest.identity.version] = loaded
    return runs


class Renderer:
    """Makes the pictures of one package; `refuse` raises NotSuitable of one that has text in its pixels."""

    def __init__(self, package: Package, refuse: Callable[[NDArray[np.uint8]], None]) -> None:
        self._package, self._refuse = package, refuse
        self._most = package.manifest.network.shape[-2:]

    def run(self, sources: Sources) -> Outcome:
        """Findings that say nothing yet, and as their maps the pictures that may leave, one a frame.

        Those that may not are left out, with the reason; raises NotSuitable where none is left.
        """
        (images,) = (one for one in sources.values() if isinstance(one, Images))
        cleared = images.suited(self._clear)
        arrays = [np.asarray(self._rendered(one)[None] / _WHITE, np.float32) for one in cleared.pictures]
        maps = tuple(Map("", METHOD, "", "", (1, *one.shape[1:]), (frame,)) for frame, one in enumerate(arrays))
        found = Findings(self._package.identity, cleared.digest, cleared.frames, None, (), maps=maps)
        return Outcome(replace(found, remarks=cleared.remarks), None, tuple(arrays))

    def _clear(self, picture: Picture) -> None:
        refuse_input(self._package.manifest.guards, picture, self._package.read)
        if picture.burned_in:
            raise NotSuitable("the image says that text is burned into its pixels (Burned In Annotation)")
        self._refuse(self._rendered(picture))

    def _rendered(self, picture: Picture) -> NDArray[np.uint8]:
        return rendered(picture, self._most)


def rendered(picture: Picture, most: tuple[int, ...]) -> NDArray[np.uint8]:
    """`picture` as a viewer shows it, 0 (black) to 255; smaller where it has more rows or columns than `most`."""
    sides = picture.shown.shape
    share = min(1.0, *(limit / side for limit, side in zip(most, sides, strict=True)))
    sampled = Sampled(picture.shown[None], np.eye(3))
    if share < 1:
        sampled = resize(sampled, Resize(tuple(max(1, int(side * share)) for side in sides), "antialias"))
    (values,) = to_numpy(sampled.values)
    return np.asarray(np.rint(np.clip(values, 0, 1) * _WHITE), np.uint8)
