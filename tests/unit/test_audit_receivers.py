"""Receivers of the trail in the settings: what does not fit together is refused, with the setting and what would do."""

from collections.abc import Mapping

import pytest

from config.certificates import certificate_files
from config.loading import load_settings
from config.reloading import ANEW
from config.settings import Settings
from domain.errors import ConfigurationError

_SYSLOG = {"kind": "syslog", "name": "archive", "host": "arr.example.org"}
_FHIR = {"kind": "fhir", "name": "archive", "url": "https://fhir.example.org/fhir"}


def _receivers(*given: Mapping[str, object]) -> Settings:
    return load_settings(None, {"audit": {"receivers": [dict(one) for one in given]}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "syslog", "name": "archive"}, "needs a host"),
        ({"kind": "fhir", "name": "archive"}, "needs a url"),
        ({"name": "archive", "host": "a.example"}, "kind: is missing"),
        ({**_FHIR, "host": "a.example"}, "host: 'a.example' is for receivers of kind syslog alone"),
        ({**_SYSLOG, "url": "https://a.example"}, "is for receivers of kind fhir alone"),
        ({**_SYSLOG, "certificate": "/a.pem"}, "certificate and key belong together"),
        ({**_SYSLOG, "transport": "tcp", "ca": "/a.pem"}, "speaks no TLS"),
        ({**_FHIR, "url": "http://a.example/fhir", "token_file": "/t"}, "whoever listens would learn the token"),
        ({**_SYSLOG, "transport": "udp", "longest": 70_000}, "longest = 65507 would fit"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _receivers(given)


def test_two_receivers_of_one_name_are_refused_since_a_place_is_kept_by_it() -> None:
    with pytest.raises(ConfigurationError, match=r"two audit\.receivers have the same name: 'archive'"):
        _receivers(_SYSLOG, _FHIR)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (_SYSLOG, "tls://arr.example.org:6514"),
        ({**_SYSLOG, "transport": "tcp"}, "tcp://arr.example.org:601"),
        ({**_SYSLOG, "transport": "udp"}, "udp://arr.example.org:514"),
        ({**_SYSLOG, "host": "::1", "port": 1514}, "tls://[::1]:1514"),
        (_FHIR, "https://fhir.example.org/fhir"),
    ],
)
def test_a_port_that_is_not_given_is_the_registered_one(given: dict[str, object], address: str) -> None:
    (one,) = _receivers(given).audit.receivers
    assert one.address == address


def test_its_certificates_are_looked_after_and_a_change_is_taken_over_by_the_role_alone() -> None:
    settings = _receivers({**_SYSLOG, "ca": "/a.pem"})
    assert [name for name, _ in certificate_files(settings)] == ["audit.receivers.archive.ca"]
    assert ANEW["audit.receivers"] == {"forward"}
