"""Settings of TLS that contradict each other are refused, with both names and what would fit."""

from typing import Any

import pytest

from config import reach
from config.loading import load_settings
from config.settings import Settings
from domain.errors import ConfigurationError

FILES = {"certificate": "node.pem", "key": "node.key", "ca": "ca.pem"}


def settings(**listener: Any) -> Settings:
    return load_settings(None, {"listener": listener})


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ({"tls": {**FILES, "key": None}}, "listener.tls.key is not given"),
        ({"tls": {**FILES, "ca": None}}, "listener.tls.ca is not given"),
        ({"tls": {"ca": "ca.pem"}}, "listener.tls.ca is given and listener.tls.certificate is not"),
        ({"plain": False}, "listener.plain is false and listener.tls.certificate is not given: nobody may send"),
        ({"port": 2762, "tls": FILES}, "listener.tls.port (2762) is listener.port"),
        ({"callers": [{"aet": "CT1"}]}, "CT1 can call by TLS alone, having no address"),
        ({"callers": [{"aet": "CT1", "address": "10.0.0.1", "certificate": "x"}]}, "having a certificate"),
        ({"callers": [{"aet": "CT1", "address": "10.0.0.1", "users": ["x"]}]}, "having users"),
        ({"tls": FILES, "callers": [{"aet": "CT1", "users": ["x"]}]}, "has neither passcodes nor token_key"),
        ({"user_identity": {"token_key": "key.pem"}}, "token_key, token_issuer and token_audience belong together"),
        ({"tls": {**FILES, "minimum": "1.1"}}, "listener.tls.minimum"),
    ],
)
def test_a_door_that_lacks_something_and_a_caller_who_could_not_come_are_refused(
    listener: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(**listener)
    assert said in str(caught.value)


def test_a_whole_door_is_taken_and_may_have_the_port_of_one_that_is_off() -> None:
    assert settings(tls=FILES, callers=[{"aet": "CT1"}]).listener.tls.port == 2762
    assert settings(plain=False, port=2762, tls=FILES).listener.plain is False
    assert settings(tls={"certificate": "c", "key": "k", "require_certificate": False}).listener.tls.ca is None


def test_a_caller_without_an_address_is_none_that_the_port_keeps_out() -> None:
    assert not list(reach.callers(settings(tls=FILES, callers=[{"aet": "CT1"}])))
    twice = settings(tls=FILES, callers=[{"aet": "CT1"}, {"aet": "CT1"}, {"aet": "CT1", "certificate": "x"}])
    assert len(list(reach.callers(twice))) == 1
