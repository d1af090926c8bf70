"""A Store Instances Response says of each instance what became of it, in both forms, whoever wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from dicom_node.web.stored import JSON, XML, Part, decode, encode
from domain.errors import UnusableInput

CT = "1.2.840.10008.5.1.4.1.1.2"
PARTS = [
    Part(CT, "1.2.3"),
    Part(CT, "1.2.4", 0xB007),
    Part(CT, "1.2.5", 0xA700, stored=False),
    Part("", "", 0xC000, stored=False),
]


@pytest.mark.parametrize("kind", [JSON, XML])
def test_what_is_written_is_read_back(kind: str) -> None:
    assert decode(encode(PARTS, kind), kind) == PARTS


def test_as_json_it_is_a_data_set_to_another_reader() -> None:
    data_set = Dataset.from_json(json.loads(encode(PARTS)))
    assert [one.ReferencedSOPInstanceUID for one in data_set.ReferencedSOPSequence] == ["1.2.3", "1.2.4"]
    assert data_set.ReferencedSOPSequence[1].WarningReason == 0xB007
    assert data_set.FailedSOPSequence[0].FailureReason == 0xA700
    assert data_set.OtherFailuresSequence[0].FailureReason == 0xC000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Value", "vr", "00081199", "00081198", "00081155", "00081197", "x"]), inner, max_size=4
        )
    ),
)


@given(_JSON)
def test_whatever_json_comes_is_read_or_refused(value: object) -> None:
    try:
        found = decode(json.dumps(value).encode(), JSON)
    except UnusableInput:
        return
    assert all(one.sop_instance or not one.stored for one in found)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", JSON),
        (b"[]", JSON),
        (b"[" * 100_000, JSON),
        (b"\xff", JSON),
        (b"<html>", XML),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', XML),
    ],
)
def test_what_is_no_response_is_told(body: bytes, kind: str) -> None:
    with pytest.raises(UnusableInput):
        decode(body, kind)
