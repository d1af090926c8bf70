"""`Any` is for the edge of a library that says no types, or none that hold: there a value is taken and narrowed."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.support.sources import Module, modules

# Each module with `Any` in it, and whose values they are.
EDGES: Mapping[str, str] = {
    "audit/trail_verifier.py": "json",
    "audit/witnesses/bucket.py": "boto3",
    "config/peers.py": "pydantic",
    "config/settings.py": "pydantic",
    "console/api/app.py": "fastapi",
    "console/api/models.py": "pydantic",
    "console/api/routing.py": "fastapi",
    "console/auth/id_tokens.py": "jwt",
    "console/auth/provider.py": "requests",
    "console/auth/router.py": "fastapi",
    "console/auth/tokens.py": "jwt",
    "console/cli/app.py": "typer",
    "console/cli/man_pages.py": "typer",
    "console/cli/options.py": "typer",
    "console/cli/output.py": "rich",
    "console/viewer/server.py": "socketserver",
    "inference_worker/bundle.py": "monai",
    "inference_worker/burned_in.py": "rapidocr",
    "inference_worker/engines/cuda.py": "ctypes",
    "inference_worker/engines/onnxruntime.py": "onnxruntime",
    "inference_worker/engines/openvino.py": "openvino",
    "inference_worker/engines/tensorrt.py": "tensorrt",
    "inference_worker/engines/torch.py": "torch",
    "inference_worker/explain/gradients.py": "torch",
    "inference_worker/registration.py": "SimpleITK",
    "inference_worker/transforms/arrays.py": "array_api_compat",
    "sr_writer/pages/pixels.py": "pydicom",
    "store/database.py": "psycopg",
    "store/embedded_user.py": "subprocess",
    "store/migrations/versions/0003_destinations_seen.py": "sqlalchemy",
    "store/people.py": "sqlalchemy",
    "store/queries/records.py": "sqlalchemy",
    "store/studies.py": "sqlalchemy",
}
# A table of whichever states and events: the loop over it hands its own events back to it, and looks at none.
NO_EDGE = {"consumers/leased_work.py"}
# What asks for a library by its name, where a node may lack it.
_ASKS = {"imported", "import_module", "needed"}


def says_any(tree: ast.Module) -> bool:
    """Whether a module has `Any`, but for the kind of an array's numbers: NumPy's arrays are of many."""
    of_arrays = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("NDArray", "npt.NDArray")
        for part in ast.walk(node.slice)
    }
    named = (
        node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute) and id(node) not in of_arrays
    )
    return any(ast.unparse(node) in ("Any", "typing.Any") for node in named)


def libraries(tree: ast.Module) -> Iterator[str]:
    """What a module imports, or asks for by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _ASKS:
            yield from (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def read(text: str) -> dict[str, Any]: ...", True),
        ("def call(work: typing.Callable[..., typing.Any]): ...", True),
        ("values: NDArray[Any]", False),
        ("values: dict[str, NDArray[Any]] | Any", True),
        ("def of(values: npt.NDArray[Any]) -> object: ...", False),
    ],
)
def test_any_is_seen_wherever_it_stands_but_as_the_kind_of_an_arrays_numbers(text: str, found: bool) -> None:
    assert says_any(ast.parse(text)) is found


def test_any_is_said_at_the_edge_of_a_library_alone() -> None:
    assert {one.path for one in modules() if says_any(one.tree)} == {*EDGES, *NO_EDGE}


@pytest.mark.parametrize("module", [one for one in modules() if one.path in EDGES], ids=lambda module: module.path)
def test_a_module_that_says_any_has_the_library_whose_values_they_are(module: Module) -> None:
    assert EDGES[module.path] in {name.partition(".")[0] for name in libraries(module.tree)}
