"""Path converters."""

from django.urls import register_converter


class IdConverter:
    """A row's id: digits only, and no more than the database's own; anything else is no page."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int | str) -> str:
        return str(value)


register_converter(IdConverter, "id")
