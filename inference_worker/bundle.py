"""Runs a package that holds a MONAI bundle: the bundle's own inference config does everything between two NIfTI files.

What runs is a copy of files whose digests were verified a moment before, in a folder of this process alone. The bundle
is parsed and its network loaded once; each study is written where the bundle's dataset looks for it, and the
segmentation that the bundle saves is brought to the source's grid by its affine. What is set in the config
(bundle_config.py) changes no voxel. Security: models/bundles.py; here, the same is asked of the copy before anything
of it runs, and what a config calls must lie in MONAI's packages for data and networks. MONAI's own checkpoint loader
reads tensors alone.
"""

import contextlib
import logging
import shutil
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from domain.errors import ConfigurationError, NodeError, Permanent
from domain.findings import Findings
from domain.json_records import Json
from inference_worker.bundle_config import changes, on_device, reads_anew, targets
from inference_worker.bundle_grid import (
    Labels,
    Numbers,
    needed,
    onto,
    read_nifti,
    to_source,
    whole_numbers,
    write_nifti,
)
from inference_worker.bundle_tensorrt import TensorRT
from inference_worker.engines.protocol import OutOfMemory
from inference_worker.guards import refuse_input, refuse_output
from inference_worker.model_protocol import Outcome, Sources, input_digest, other_frames, remarks
from inference_worker.together import brought_together
from inference_worker.transforms.arrays import Labelled
from inference_worker.transforms.grids import Grid
from inference_worker.transforms.labels import relabel
from inference_worker.transforms.measuring import measure, size_of, volumes_ml
from inference_worker.volume import Volume
from models.bundle_code import ordinary_target
from models.bundle_manifest import BUNDLE
from models.bundle_metadata import METADATA, read_config
from models.bundle_weights import refuse_programs
from models.bundles import code_of, provenance_of
from models.registry import Package
from models.steps import Relabel

_MOVED = "the bundle's result lay on another grid and was brought to the source's by the nearest voxel"
_ALIGNED = "series on other grids than the first were interpolated to its grid"


class BundleModel:
    """A package whose network is a bundle, loaded and warm once constructed.

    `device` is one of torch's names; without it the bundle chooses, which is the first GPU where there is one.
    Construction raises IntegrityError where a file is not the one that the manifest describes, and ConfigurationError
    where the bundle cannot be loaded, may not be, or a library is missing.
    """

    def __init__(self, package: Package, device: str = "", tensorrt: TensorRT | None = None) -> None:
        self._package, self._manifest, self._tensorrt = package, package.manifest, tensorrt
        if any(not isinstance(step, Relabel) for step in self._manifest.postprocessing):
            raise ConfigurationError(f"{package.name}: after a bundle there is no step but relabel")
        if any(one.kind != "volume" for one in self._manifest.inputs):
            raise ConfigurationError(f"{package.name}: a bundle reads volumes")
        with _quiet():
            self._behind = tensorrt.prepare() if tensorrt else ""
            self._torch, self._workflow = needed("torch"), needed("monai.bundle").ConfigWorkflow
            for module in ("nibabel", "ignite"):
                needed(module)
        scratch = Path(tempfile.mkdtemp(prefix="bundle-"))
        self._root, self._study = scratch / BUNDLE, scratch / "study"
        self._remove = weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        self._trusted = provenance_of(package).trusted
        self._modules: dict[str, ModuleType] = {}
        self._copy()
        self._config, stated = read_config(self._root)
        self._changes = {**changes(stated, self._entry(), self._root), **on_device(device)}
        self._run_id = "run" if "run" in stated else "evaluating"
        self._warm = reads_anew(stated)
        self._refuse_code()
        bundle = self._parsed()
        self._bundle = self._initialized(bundle) if self._warm else bundle
        self._ready = self._warm

    def close(self) -> None:
        """Forget the bundle and remove its copy."""
        self._remove()

    @property
    def name(self) -> str:
        """Libraries and device, as the findings' provenance says it."""
        parser = self._bundle.parser
        device = parser.get_parsed_content("device") if "device" in parser else "cpu"
        behind = f", TensorRT {self._behind} ({self._tensorrt.precision.upper()})" if self._tensorrt else ""
        return f"MONAI {needed('monai').__version__}, torch {self._torch.__version__} ({device}){behind}, as a bundle"

    def run(self, sources: Sources) -> Outcome:
        """What the bundle finds in `sources`; its mask has no slices that were interpolated.

        Raises NotSuitable where the package's guards refuse input or output, OutOfMemory, and Permanent with the
        reason where the bundle fails or its result is no segmentation of the series.
        """
        given = [(one.name, sources[one.name]) for one in self._manifest.inputs]
        read = {name: one for name, one in given if isinstance(one, Volume)}
        volumes = brought_together(read, self._manifest.registration)
        for volume in volumes.values():
            refuse_input(self._manifest.guards, volume, self._package.read)
        first, *_ = volumes.values()
        mask, moved = self._mask(list(volumes.values()))
        segments = self._manifest.segments
        refuse_output(self._manifest.guards, volumes_ml(mask, first.affine, len(segments)))
        measured = measure(segments, mask, first.voxels, first.affine, self._manifest.measured, first.filled)
        findings = Findings(
            self._package.identity, input_digest(volumes), first.frames, None, measured, engine=self.name,
            remarks=(*remarks(volumes, segmented=True), *moved), others=other_frames(volumes),
            voxel=size_of(first.affine),
        )  # fmt: skip
        return Outcome(findings, np.delete(mask, first.filled, axis=0))

    def _mask(self, volumes: list[Volume]) -> tuple[Labels, tuple[str, ...]]:
        """The labels on the first volume's grid, and what a reader has to know of how they got there."""
        grid = Grid(volumes[0].voxels.shape, volumes[0].affine)
        shutil.rmtree(self._study, ignore_errors=True)
        self._study.mkdir()
        try:
            aligned = False
            for file, volume in zip(self._files(), volumes, strict=True):
                values = onto(volume.voxels, Grid(volume.voxels.shape, volume.affine), grid)
                aligned |= values is not volume.voxels
                write_nifti(values, grid.affine, file)
            labels, lies = read_nifti(self._inferred())
            mask, own = to_source(self._numbered(labels, lies), lies, grid)
        finally:
            # The picture of a patient stays no longer than it is needed.
            shutil.rmtree(self._study, ignore_errors=True)
            shutil.rmtree(self._root / "eval", ignore_errors=True)
        return mask, (*((_ALIGNED,) if aligned else ()), *(() if own else (_MOVED,)))

    def _inferred(self) -> Path:
        """Run the bundle on what was written; the one file that it saved."""
        if not self._ready:
            self._bundle = self._initialized(self._parsed())
        # What has failed is not run again: ignite would go on where it broke off, and do nothing.
        self._ready = False
        try:
            with self._own_modules(), _quiet():
                self._bundle.run()
                self._bundle.finalize()
        # The bundle is somebody's program, which may raise anything.
        except Exception as error:
            raise self._failure(error) from error
        self._ready = self._warm
        saved = sorted((self._root / "eval").rglob("*.nii*"))
        if len(saved) != 1:
            raise Permanent(f"the bundle saved {len(saved)} NIfTI files and not the one segmentation")
        return saved[0]

    def _exhausted(self, error: Exception) -> bool:
        """Whether memory ran out, of the GPU or of the machine, for which torch has no error of its own."""
        return any(
            isinstance(one, self._torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(one)
            for one in _chain(error)
        )

    def _failure(self, error: Exception) -> NodeError:
        if self._exhausted(error):
            return OutOfMemory(f"the bundle {self._package.name} needs more memory than there is")
        return Permanent(f"the bundle failed: {_cause(error)}")

    def _numbered(self, values: Numbers, lies: Grid) -> Labels:
        """The bundle's values as numbers of segments."""
        labelled = Labelled(whole_numbers(values), lies.affine)
        for step in self._manifest.postprocessing:
            if isinstance(step, Relabel):
                labelled = relabel(labelled, step)
        labels: Labels = labelled.values
        if labels.max() > len(self._manifest.segments):
            raise Permanent(f"the bundle's result has the label {labels.max()}, which the package does not name")
        return labels

    def _copy(self) -> None:
        """Write the files of the bundle that are what the manifest says; a bundle without trust gets no Python."""
        for name in self._package.digests:
            if not name.startswith(f"{BUNDLE}/") or (name.endswith(".py") and not self._trusted):
                continue
            path = self._root.parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._package.read(name))
            refuse_programs(path, name)

    def _parsed(self) -> Any:
        """The bundle's workflow, of which nothing has run."""
        try:
            with _quiet():
                bundle = self._workflow(
                    config_file=str(self._root / self._config),
                    meta_file=str(self._root / METADATA),
                    logging_file=False,
                    workflow_type="infer",
                    run_id=self._run_id,
                    **self._changes,
                )
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise self._unloadable(error) from error
        self._refuse_strangers(bundle.parser)
        return bundle

    def _initialized(self, bundle: Any) -> Any:
        """`bundle` with its network in memory."""
        try:
            with self._own_modules(), _quiet():
                bundle.initialize()
                if self._tensorrt:
                    parser = bundle.parser
                    batch = getattr(parser.get_parsed_content("inferer"), "sw_batch_size", 1)
                    self._tensorrt.put_behind(parser.get_parsed_content("network"), self._package.digest, batch)
        except NodeError:
            raise
        # As in `_inferred`: somebody's program.
        except Exception as error:
            raise (self._failure(error) if self._exhausted(error) else self._unloadable(error)) from error
        return bundle

    def _unloadable(self, error: Exception) -> NodeError:
        return ConfigurationError(f"the bundle {self._package.name} cannot be loaded: {_cause(error)}")

    def _refuse_code(self) -> None:
        code = () if self._trusted else code_of(self._root)
        if code:
            raise ConfigurationError(f"the bundle {self._package.name} runs code that nobody has trusted: {code[0]}")

    def _refuse_strangers(self, parser: Any) -> None:
        """Raise where a bare name in the config is a class of MONAI's outside of what bundles may name."""
        for target in () if self._trusted else targets(parser.get()):
            found = parser.locator.get_component_module_name(target) or ""
            for module in [found] if isinstance(found, str) else found[:1]:
                if module and not ordinary_target(f"{module}.{target}"):
                    raise ConfigurationError(
                        f"the bundle {self._package.name} calls {module}.{target}; it is not trusted"
                    )

    def _entry(self) -> dict[str, Json]:
        """The one item of the bundle's dataset: a file, or one for each channel."""
        files = [str(file) for file in self._files()]
        return {self._manifest.network.input: files if len(files) > 1 else files[0]}

    def _files(self) -> list[Path]:
        return [self._study / f"{one.name}.nii" for one in self._manifest.inputs]

    @contextlib.contextmanager
    def _own_modules(self) -> Iterator[None]:
        """The bundle's Python modules are importable within, and another bundle's of the same name stay its own."""
        path = list(sys.path)
        # The folders that every bundle has are none of its modules; one of them bears the name of a package of ours.
        ours = {"configs", "docs", "models"}
        names = {file.relative_to(self._root).parts[0].removesuffix(".py") for file in self._root.rglob("*.py")} - ours
        others = _taken(names) if self._trusted else {}
        if self._trusted:
            sys.path.insert(0, str(self._root))
            sys.modules.update(self._modules)
        try:
            yield
        finally:
            sys.path[:] = path  # MONAI adds the bundle's folder at each run
            if self._trusted:
                self._modules = _taken(names)
                sys.modules.update(others)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what caused it, down to the first cause."""
    while error is not None:
        yield error
        error = error.__cause__


def _cause(error: Exception) -> str:
    """The first cause in words: MONAI and ignite wrap it several times."""
    *_, first = _chain(error)
    return f"{type(first).__name__}: {first}"


def _taken(names: set[str]) -> dict[str, ModuleType]:
    """The modules of these top-level names, taken out of Python's table."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress that MONAI and ignite log, some of it on the root logger, and without their warnings.

    Both speak to a bundle's author. Of this process's own log only errors are heard meanwhile.
    """
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
