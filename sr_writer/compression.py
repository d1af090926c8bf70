"""What a source has lost to compression, as its results have to repeat it (PS3.3 C.7.6.1.1.5): once lossy, always."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom import uid
from pydicom.valuerep import DSfloat

from dicom_node.attributes.reader import Attributes, decimals_of, title

FLAG, _RATIO, _METHOD = "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"
READ = (FLAG, _RATIO, _METHOD, "BitsAllocated", "SamplesPerPixel")
_METHODS = {
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
}
# That is always lossy, where the flag says nothing that can be read.
_ALWAYS = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless})
_TO_ONE = re.compile(r"([0-9]{1,6}(\.[0-9]{1,6})?) *: *1")
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


def lossy(images: Sequence[tuple[Attributes, Path]]) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """The elements by keyword that say it of a series, whose files are given, and what was not taken over.

    Ratio and method are of type 1C beside a flag of "01" (PS3.3 C.8.20.2): where the source's are none that can be, the
    ratio is that of the pixels to the file, and the method that of the transfer syntax.
    """
    flagged = [(image, file) for image, file in images if _is_lossy(image)]
    if not flagged:
        stated = {image.text(FLAG) for image, _ in images} == {"00"}
        return ({FLAG: "00"} if stated else {}), _of_flag(images[0][0])
    image, file = flagged[0]
    ratio, said = _ratio(image, file)
    methods = image.words(_METHOD)
    if len(methods) == len(ratio) and all(map(_CODE.fullmatch, methods)):
        return {FLAG: "01", _RATIO: ratio, _METHOD: methods}, (*_of_flag(image), *said)
    method = _METHODS.get(image.dataset.file_meta.TransferSyntaxUID)
    made = {FLAG: "01", _RATIO: ratio[:1], **({_METHOD: method} if method else {})}
    return made, (*_of_flag(image), *said, f"{title(_METHOD)} of {image.name} is none that can be taken over")


def _is_lossy(image: Attributes) -> bool:
    flag = image.text(FLAG)
    return flag == "01" or (flag != "00" and image.dataset.file_meta.TransferSyntaxUID in _ALWAYS)


def _of_flag(image: Attributes) -> tuple[str, ...]:
    return () if image.text(FLAG) in ("", "00", "01") else (f"{title(FLAG)} of {image.name} is neither 00 nor 01",)


def _ratio(image: Attributes, file: Path) -> tuple[list[DSfloat], tuple[str, ...]]:
    stated = image.text(_RATIO)
    found = decimals_of(stated)
    if found and min(found) > 0:
        return list(found), ()
    to_one = _TO_ONE.fullmatch(stated)
    ratio = float(to_one[1]) if to_one else max(1.0, _size_of_pixels(image) / max(1, file.stat().st_size))
    said = f"{title(_RATIO)} of {image.name} is not a number, and was given as {ratio:.3g}"
    return [DSfloat(round(ratio, 2), auto_format=True)], (said,)


def _size_of_pixels(image: Attributes) -> float:
    parts = [image.decimals_if_sound(one, 1) for one in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel")]
    rows, columns, bits, samples = (float(one[0]) if one else 1.0 for one in parts)
    return rows * columns * samples * bits / 8 * image.count_of_frames()
