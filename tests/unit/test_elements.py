"""The walker reads on wherever the next element can still be told, names the element where not, and has an end."""

import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import deflated, elements
from dicom_node.elements import DEFLATED, EXPLICIT_BIG, ITEM, Doubtful, OutOfData, TooManyElements, file_meta, walk
from dicom_node.part10 import head
from domain.errors import UnusableInput

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
UNDEFINED = 0xFFFF_FFFF
SEQUENCE, STUDY, POSITION = 0x0008_1140, 0x0020_000D, 0x0020_0032


def element(tag: int, vr: bytes, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    size = len(value) if length is None else length
    if vr in {b"SQ", b"UN", b"OB", b"OW", b"UC"}:
        return struct.pack(f"{order}HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, size) + value
    return struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value


def bare(tag: int, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    """An item, a delimiter, or an element in implicit VR."""
    return struct.pack(f"{order}HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def sequence(tag: int, content: bytes, vr: bytes = b"SQ", end: bytes = bare(0xFFFE_E0DD)) -> bytes:
    return element(tag, vr, content + end, UNDEFINED)


def item(content: bytes, end: bytes = bare(0xFFFE_E00D)) -> bytes:
    return bare(ITEM, content + end, UNDEFINED)


NAME, UID = element(0x0008_0070, b"LO", b"MAKER "), element(STUDY, b"UI", b"1.2.3\0")
INNER = element(0x0008_1150, b"UI", b"1.9\0")


def top(data: bytes, syntax: str = EXPLICIT) -> dict[int, bytes]:
    return {tag: data[start:end] for path, tag, start, end in walk(data, syntax) if not path}


@pytest.mark.parametrize(
    "between",
    [
        sequence(SEQUENCE, item(INNER) + item(INNER)),
        sequence(SEQUENCE, bare(ITEM, INNER)),
        element(SEQUENCE, b"SQ", bare(ITEM, INNER)),
        sequence(SEQUENCE, b""),
        # PS3.5 6.2.2: implicit inside, whatever is outside
        sequence(0x0009_1002, item(bare(0x0008_0100, b"X-17")), vr=b"UN"),
        sequence(0x0009_1002, item(sequence(0x0008_2112, b"").replace(b"SQ\0\0", b"")), vr=b"UN"),
        # delimiters that are not there, the wrong one, or zeroes
        sequence(SEQUENCE, item(INNER), end=b""),
        sequence(SEQUENCE, item(INNER, end=b"")),
        sequence(SEQUENCE, item(INNER), end=bare(0xFFFE_E00D)),
        sequence(SEQUENCE, item(INNER), end=bytes(8)),
        sequence(SEQUENCE, item(INNER, end=bytes(8)), end=bytes(8)),
        bare(0xFFFE_E0DD),
        bare(0xFFFE_E00D),
        bytes(8),
        # value representations that no table has
        element(0x0008_1090, b"??", b"MODEL "),
        element(0x0008_1090, b"\0\0", b"MODEL "),
        element(0x0008_1090, b"ZZ", b"MODEL "),
        struct.pack("<HH2sHI", 8, 0x1090, b"ZZ", 0, 6) + b"MODEL ",
        bare(0x0008_1090, b"MODEL "),
        # out of order, and twice
        element(0x0008_0060, b"CS", b"CT"),
        NAME,
        element(0x0019_1000, b"UN", b"xx"),
    ],
)
def test_what_stands_behind_an_oddity_is_found(between: bytes) -> None:
    found = top(NAME + between + UID)
    assert found[STUDY] == b"1.2.3\0"
    assert 0x0008_1150 not in found


@pytest.mark.parametrize("outside", [EXPLICIT, EXPLICIT_BIG])
def test_an_un_of_undefined_length_is_implicit_inside_whatever_surrounds_it(outside: str) -> None:
    order = ">" if outside == EXPLICIT_BIG else "<"
    head = element(0x0009_1002, b"UN", b"", UNDEFINED, order)
    data = head + item(bare(0x0008_0100, b"X-17")) + bare(0xFFFE_E0DD) + element(STUDY, b"UI", b"1.2.3\0", order=order)
    found = {(path, tag): data[start:end] for path, tag, start, end in walk(data, outside)}
    assert found == {((0x0009_1002,), 0x0008_0100): b"X-17", ((), STUDY): b"1.2.3\0"}


def test_elements_of_all_encodings_are_found() -> None:
    big = element(0x0008_0070, b"LO", b"MAKER ", order=">") + element(STUDY, b"UI", b"1.2.3\0", order=">")
    for data, syntax in ((NAME + UID, EXPLICIT), (big, EXPLICIT_BIG), (bare(STUDY, b"1.2.3\0"), IMPLICIT)):
        assert top(data, syntax)[STUDY] == b"1.2.3\0"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_bytes_decide_whether_values_have_their_representation(syntax: str) -> None:
    assert top(NAME + UID, syntax) == top(bare(0x0008_0070, b"MAKER ") + bare(STUDY, b"1.2.3\0"), syntax)


@pytest.mark.parametrize("rest", [NAME + UID, bare(0x0008_0070, b"MAKER ") + bare(STUDY, b"1.2.3\0")])
def test_a_file_meta_before_the_data_set_is_no_part_of_it(rest: bytes) -> None:
    assert list(top(element(0x0002_0010, b"UI", b"1.2\0") + rest)) == [0x0008_0070, STUDY]


def test_a_nested_element_has_the_path_to_it_and_wanted_sequences_give_their_items() -> None:
    data = element(SEQUENCE, b"SQ", bare(ITEM, INNER) + bare(ITEM, INNER)) + UID
    found = [(path, tag) for path, tag, _, _ in walk(data, EXPLICIT, into={SEQUENCE})]
    assert found == [*[((SEQUENCE,), ITEM), ((SEQUENCE,), 0x0008_1150)] * 2, ((), STUDY)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (NAME + UID[:-2], r"ends within \(0020,000D\)"),
        (NAME + UID[:6], r"ends within what follows \(0008,0070\)"),
        (NAME + sequence(SEQUENCE, item(INNER, end=b""), end=b""), r"ends within what follows \(0008,1150\)"),
        (NAME + element(STUDY, b"?!", b"1.2.3\0")[:-1], r"\(0020,000D\) has no value representation"),
        (NAME + bare(ITEM, INNER) + UID, "an item outside of a sequence"),
        (b"no data set at all", r"ends within \(6F6E,6420\)"),
    ],
)
def test_where_it_cannot_go_on_it_names_the_element(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableInput, match=reason):
        top(data)


@pytest.mark.parametrize(
    "levels",
    [
        lambda number: (element(SEQUENCE, b"SQ", b"", UNDEFINED) + bare(ITEM, b"", UNDEFINED)) * number,
        lambda number: (element(SEQUENCE, b"SQ", b"", UNDEFINED) + bare(ITEM, b"", 1 << 30)) * number,
        lambda number: element(SEQUENCE, b"UN", b"", UNDEFINED) * number,
        lambda number: (
            element(SEQUENCE, b"UN", b"", UNDEFINED)
            + (bare(ITEM, b"", UNDEFINED) + bare(SEQUENCE, b"", UNDEFINED)) * number
        ),
    ],
)
def test_nesting_has_an_end_in_every_encoding(levels: Callable[[int], bytes]) -> None:
    with pytest.raises(UnusableInput):
        top(NAME + levels(100_000))


@pytest.mark.parametrize("into", [(), (SEQUENCE,)])
@pytest.mark.parametrize(
    "many",
    [
        element(0x0029_1010, b"LO", b"") * 300,
        b"".join(element(tag, b"??", b"") for tag in range(0x0029_1010, 0x0029_1210)),
        bare(0xFFFE_E00D) * 300,
        bytes(2400),
        sequence(SEQUENCE, bare(ITEM) * 300),
        sequence(SEQUENCE, item(b"") * 300),
        sequence(SEQUENCE, item(INNER * 300)),
        sequence(SEQUENCE, b"") * 300,
        element(0x7FE0_0010, b"OB", bare(ITEM) * 300 + bare(0xFFFE_E0DD), UNDEFINED),
    ],
)
def test_a_walk_has_an_end_whatever_there_is_more_of_than_any_data_set_has(
    many: bytes, into: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(walk(NAME + many, EXPLICIT, into=into))
    monkeypatch.setattr(elements, "MOST_STEPS", 250)
    with pytest.raises(TooManyElements, match="more elements than are read"):
        list(walk(NAME + many, EXPLICIT, into=into))


OTHER = element(0x0008_1155, b"UI", b"1.8\0")
ZEROES, ITEM_END, SEQUENCE_END = bytes(8), bare(0xFFFE_E00D), bare(0xFFFE_E0DD)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "content",
    [
        item(INNER + ZEROES + OTHER) + SEQUENCE_END,
        item(INNER + ZEROES * 2 + OTHER) + SEQUENCE_END,
        item(INNER + ZEROES * 2 + OTHER) + item(INNER) + SEQUENCE_END,
        item(INNER) + ZEROES + SEQUENCE_END,
        item(INNER + sequence(0x0008_1199, item(OTHER) + ZEROES) + OTHER) + SEQUENCE_END,
        item(INNER + sequence(0x0008_1199, item(OTHER + ZEROES + INNER)) + OTHER) + SEQUENCE_END,
        item(element(0x0008_1199, b"SQ", bare(ITEM, OTHER)) + SEQUENCE_END + OTHER) + SEQUENCE_END,
    ],
)
def test_what_is_nested_is_never_given_as_the_data_sets_own_because_of_padding_or_a_stray_delimiter(
    content: bytes, order: str
) -> None:
    data = NAME + element(SEQUENCE, b"SQ", content, UNDEFINED) + UID
    syntax = EXPLICIT
    if order == ">":
        data, syntax = in_big_endian(data), EXPLICIT_BIG
    try:
        assert list(top(data, syntax)) == [0x0008_0070, STUDY]
    except Doubtful as error:
        assert "(0008,11" in str(error)


def in_big_endian(data: bytes) -> bytes:
    """What `element` and `bare` made, of texts alone, in the other order."""
    made = b""
    at = 0
    while at < len(data):
        group, number = struct.unpack_from("<HH", data, at)
        made += struct.pack(">HH", group, number)
        if data[at + 4 : at + 6] == b"SQ":
            length, start = struct.unpack_from("<I", data, at + 8)[0], at + 12
            made += data[at + 4 : at + 8] + struct.pack(">I", length)
        elif group in (0, 0xFFFE):
            length, start = struct.unpack_from("<I", data, at + 4)[0], at + 8
            made += struct.pack(">I", length)
        else:
            length, start = struct.unpack_from("<H", data, at + 6)[0], at + 8
            made += data[at + 4 : at + 6] + struct.pack(">H", length) + data[start : start + length]
            start += length
        at = start
    return made


@pytest.mark.parametrize(
    "content",
    [
        INNER + ZEROES + OTHER,
        bare(ITEM, INNER + ZEROES + OTHER),
        bare(ITEM, INNER) + ZEROES + bare(ITEM, OTHER),
        bare(ITEM, INNER + ITEM_END + OTHER),
        bare(ITEM, INNER + SEQUENCE_END + OTHER) + SEQUENCE_END + bare(ITEM, OTHER),
        item(INNER + ZEROES) + item(OTHER),
    ],
)
def test_what_has_a_length_ends_there_whatever_delimiters_or_zeroes_it_holds(content: bytes) -> None:
    data = NAME + element(SEQUENCE, b"SQ", content) + UID
    assert [tag for path, tag, _, _ in walk(data, EXPLICIT, into={SEQUENCE}) if not path] == [0x0008_0070, STUDY]


def test_inflation_has_an_end() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflate.compress(bytes(64 << 20)) + deflate.flush()
    assert len(deflated.head(bomb, 1000)) == 1000
    assert len(deflated.head(bomb[:5000], 1 << 30)) < len(bomb) * 1100


@given(st.binary(max_size=400))
def test_any_bytes_are_walked_through_or_refused(data: bytes) -> None:
    for syntax in (EXPLICIT, IMPLICIT, EXPLICIT_BIG):
        try:
            for _, _, start, end in walk(data, syntax, into={SEQUENCE}):
                assert 0 <= start <= end <= len(data)
        except (UnusableInput, Doubtful):
            continue


@given(
    st.lists(
        st.sampled_from(
            [
                NAME,
                UID,
                bare(ITEM),
                bare(ITEM, length=UNDEFINED),
                bare(0xFFFE_E00D),
                bytes(8),
                bare(0xFFFE_E0DD),
                element(SEQUENCE, b"SQ", b"", UNDEFINED),
                element(SEQUENCE, b"SQ", b"", 16),
                element(0x0009_1001, b"UN", b"", UNDEFINED),
            ]
        )
    )
)
def test_any_order_of_delimiters_is_walked_through_or_refused(parts: list[bytes]) -> None:
    try:
        assert len(list(walk(b"".join(parts), EXPLICIT, into={SEQUENCE}))) <= 2 * len(parts)
    except (UnusableInput, Doubtful) as error:
        assert str(error)


def test_the_meta_of_a_file_ends_where_its_data_set_begins() -> None:
    meta = head("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT)
    found, begins = file_meta(meta + NAME)
    assert begins == len(meta)
    assert (found[0x03], found[0x10]) == (b"1.2.3\0", EXPLICIT.encode() + b"\0")
    for cut in range(133, len(meta) - 1, 5):
        try:
            assert file_meta(meta[:cut])[1] <= cut
        except OutOfData:
            continue


def test_deflated_is_a_name_for_what_has_to_be_inflated_first() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    assert top(deflated.head(deflate.compress(NAME + UID) + deflate.flush(), 1000), DEFLATED)[STUDY] == b"1.2.3\0"
    with pytest.raises(UnusableInput, match="not a deflated"):
        deflated.head(b"\xff\xff\xff", 10)
