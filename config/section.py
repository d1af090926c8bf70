"""What every table of the settings file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen table of the settings file; a key that it does not know is an error, never ignored."""

    # Deferred: what checks them is made once, for the whole of the settings, and not for each table as well.
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True, defer_build=True
    )
