"""Whatever fails with a patient's name in hand, nothing that is written of it quotes the name."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError

from config import defects, logs
from config.settings import Logging
from domain.errors import ConfigurationError, Unavailable
from store.database import Database
from tests.support.logged import hooks_kept

NAME = "Quuxworth^Ybbsalbert"


@pytest.fixture(params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a process writes whose log is set up; the process's own hooks come back afterwards."""
    stream = io.StringIO()
    with hooks_kept():
        logs.set_up(Logging(format=request.param), "index", stream)
        yield stream


def refused_row() -> None:
    """As PostgreSQL and SQLAlchemy say it: the statement's parameters, and the value in the server's own words."""
    try:
        raise psycopg.errors.StringDataRightTruncation(f'value "{NAME}" is too long\nDETAIL:  Key (name)=({NAME})')
    except psycopg.Error as error:
        raise DataError("INSERT INTO series VALUES (%(description)s)", {"description": NAME}, error) from error


def missing_key() -> None:
    dict[str, str]()[NAME]


def no_file() -> None:
    raise FileNotFoundError(2, f"no file {NAME}", f"/data/{NAME}")


def of_our_own() -> None:
    try:
        missing_key()
    except KeyError as error:
        raise ConfigurationError("node.toml:3: port: must be a number") from error


def beside_another() -> None:
    try:
        missing_key()
    except KeyError:
        refused_row()


def raised(fault: Callable[[], None]) -> BaseException:
    try:
        fault()
    except Exception as error:
        error.add_note(f"while {NAME} was read")
        return error
    raise AssertionError("nothing was raised")


FAULTS = [refused_row, missing_key, no_file, of_our_own, beside_another]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_defect_is_told_by_types_and_places_alone(fault: Callable[[], None], written: io.StringIO) -> None:
    error = raised(fault)
    logging.getLogger("roles.process").critical("a defect ended this process", exc_info=error)
    said = written.getvalue()
    assert NAME not in said
    assert "Quuxworth" not in said
    assert type(error).__name__ in said
    assert "test_defects.py" in said


def test_the_words_of_our_own_errors_are_kept() -> None:
    assert defects.trace(raised(of_our_own)).endswith(
        "domain.errors.ConfigurationError: node.toml:3: port: must be a number"
    )


def test_what_led_to_an_error_is_told_before_it() -> None:
    said = defects.trace(raised(beside_another))
    assert said.index("KeyError") < said.index("StringDataRightTruncation") < said.index("sqlalchemy.exc.DataError")
    assert "SQLSTATE 22001" in said
    assert defects.named(raised(no_file)) == "FileNotFoundError: No such file or directory"


def test_an_error_that_led_to_itself_is_told_once() -> None:
    error = ValueError(NAME)
    error.__cause__ = KeyError(NAME)
    error.__cause__.__cause__ = error
    assert defects.trace(error).count("ValueError") == 1


def test_the_library_of_the_database_hides_parameters_too() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    assert database._engine.hide_parameters is True
    database.close()
    with pytest.raises(OperationalError) as caught:
        raise OperationalError("SELECT %(a)s", {"a": NAME}, Exception(), hide_parameters=True)
    assert NAME not in str(caught.value)


def test_a_warning_of_a_library_is_logged_without_its_words_and_once(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for number in range(3):
            warnings.warn(f"Invalid value for VR PN: '{NAME}' {number}", UserWarning, stacklevel=1)
    lines = written.getvalue().splitlines()
    assert len(lines) == 1
    assert "UserWarning" in lines[0]
    assert "test_defects.py" in lines[0]
    assert "Quuxworth" not in lines[0]


def test_what_a_library_logs_is_told_by_its_name_and_place_once(written: io.StringIO) -> None:
    for number in range(3):
        logging.getLogger("pydicom.valuerep").warning("The value '%s' exceeds the limit %d", NAME, number)
    logging.getLogger("pydicom.valuerep").info("read %s", NAME)
    logging.getLogger().error("root speaks of %s", NAME, extra={"patient": NAME})
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert "pydicom.valuerep" in lines[0]
    assert not any("Quuxworth" in line for line in lines)


def test_what_a_library_says_is_told_with_what_it_was_at_work_on_and_no_longer(written: io.StringIO) -> None:
    library = logging.getLogger("pydicom")
    with logs.at_work_on(study="0193", record=7):
        library.warning("a value of %s", NAME)
        warnings.showwarning(NAME, UserWarning, "/library/one.py", 1)
    library.error("another of %s", NAME)
    told = written.getvalue().splitlines()
    assert len(told) == 3
    assert ["0193" in line and "record" in line for line in told] == [True, True, False]
    assert NAME not in written.getvalue()


def test_a_record_that_cannot_be_formatted_is_told_without_its_arguments(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()  # the test run listens too, and would complain in its own way
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ == logs.__name__]
    logging.getLogger("dicom_node").error("two %s %d", NAME, NAME)
    assert "test_defects.py" in written.getvalue()
    assert "Quuxworth" not in written.getvalue() + "".join(capsys.readouterr())


def test_a_thread_that_dies_says_so_in_the_log(written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    thread = threading.Thread(target=missing_key)
    thread.start()
    thread.join()
    assert "KeyError" in written.getvalue()
    assert "Quuxworth" not in written.getvalue() + "".join(capsys.readouterr())


def test_a_process_that_dies_says_so_in_the_log(written: io.StringIO) -> None:
    error = raised(refused_row)
    sys.excepthook(type(error), error, error.__traceback__)
    assert "DataError" in written.getvalue()
    assert "Quuxworth" not in written.getvalue()


def test_to_be_interrupted_is_no_defect(written: io.StringIO) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert written.getvalue() == ""


def test_json_stays_json_whatever_was_raised(written: io.StringIO, request: pytest.FixtureRequest) -> None:
    logging.getLogger("store").error("x", exc_info=raised(beside_another))
    if request.node.callspec.params["written"] == "json":
        assert json.loads(written.getvalue())["exception"]


def test_what_a_server_that_is_away_says_is_kept() -> None:
    assert "does not answer" in defects.named(Unavailable("PostgreSQL does not answer: connection refused"))
