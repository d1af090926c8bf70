"""What the libraries say of a network that they cannot run, in the words of whoever exported it."""

import re

_OPERATOR = "it has an operator that this library cannot run"
_SAID = (
    (
        r"Opset (\d+) is under development.*till opset (\d+)",
        "it was written with opset {}; this version knows up to {}",
    ),
    (r"No conversion rule found for operations: ([^;]+?)(?: To facilitate|$)", _OPERATOR + ": {}"),
    (r"No Op registered for (\S+)", _OPERATOR + ": {}"),
    (r"Could not find an implementation for (\S+)", _OPERATOR + ": {}"),
    (r"(\S+)\(-?\d+\) is not a registered function/op", _OPERATOR + ": {}"),
    (r"Converter is not implemented .*operation_type='(\w+)'", _OPERATOR + ": {}"),
    (r"expected: \(tensor\((?:float16|double|int\d+)\)\)", "it reads other numbers than 32-bit floats"),
    (r"[Ee]xternal data|should be stored in", "its weights lie in another file: save it as one"),
    (r"INVALID_PROTOBUF|Unable to read the model|it is no ONNX|could not be parsed", "it is no ONNX network"),
)


def in_words(said: str) -> str:
    """`said`, an error of a library, behind what it means where that is known."""
    for pattern, words in _SAID:
        if found := re.search(pattern, said):
            return f"{words.format(*found.groups())} ({said})"
    return said
