"""Colours as DICOM writes them (PS3.3 C.10.7.1.1)."""

# Linear sRGB to X, Y and Z (IEC 61966-2-1), relative to sRGB's own white, D65, as the viewers take it to be.
_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_WHITE = (0.95047, 1.0, 1.08883)


def cielab(colour: tuple[int, int, int]) -> list[int]:
    """The CIELab value of an sRGB colour of 0 to 255: L* of 0 to 100, a* and b* of -128 to 127, as 0 to 65535 each."""
    linear = [_linear(one / 255) for one in colour]
    amounts = [sum(part * one for part, one in zip(row, linear, strict=True)) for row in _XYZ]
    x, y, z = (_root(amount / white) for amount, white in zip(amounts, _WHITE, strict=True))
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    scaled = (lightness / 100, (a + 128) / 255, (b + 128) / 255)
    return [min(max(round(one * 0xFFFF), 0), 0xFFFF) for one in scaled]


def _linear(one: float) -> float:
    return float(((one + 0.055) / 1.055) ** 2.4) if one > 0.04045 else one / 12.92


def _root(one: float) -> float:
    return float(one ** (1 / 3)) if one > (6 / 29) ** 3 else one * (29 / 6) ** 2 / 3 + 4 / 29
