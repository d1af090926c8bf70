"""What the listener's figures hold of its callers."""

from config.metrics import REGISTRY
from roles.listen import ListenerMetrics


def _callers() -> set[str]:
    return {
        sample.labels["caller"]
        for family in REGISTRY.collect()
        if family.name == "dicom_node_echoes"
        for sample in family.samples
    }


def test_names_that_peers_choose_are_figures_of_a_bounded_number_and_of_plain_text() -> None:
    before = _callers()
    counting = ListenerMetrics()
    for number in range(10_000):
        counting.echo(f"ANY\x1b{number}")
    new = _callers() - before
    assert len(new) == 51
    assert "(others)" in new
    assert all(one.isprintable() for one in new)
    echoed = REGISTRY.get_sample_value("dicom_node_echoes_total", {"caller": "(others)"})
    assert echoed == 10_000 - 50
