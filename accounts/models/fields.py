"""Text as it is compared: one spelling for what people take to be the same."""

import unicodedata
from typing import TYPE_CHECKING, Any

from django.db import models

from accounts.sort_key import sort_key

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class UsernameField(models.EmailField):  # type: ignore[type-arg]  # generic in the stubs only
    """A username: shaped like an e-mail address, kept in NFKC and lower case, in stored values and in look-ups alike.

    Normalized in Python since databases differ on case: SQLite takes ``Ä@x`` and ``ä@x`` for two.
    """

    def get_prep_value(self, value: Any) -> Any:  # noqa: ANN401
        prepared = super().get_prep_value(value)
        return unicodedata.normalize("NFKC", prepared).lower() if isinstance(prepared, str) else prepared

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ANN401, FBT001
        value = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class SortKeyField(models.CharField):  # type: ignore[type-arg]  # as above
    """The :func:`sort_key` of another attribute, filled on save, compared byte by byte on every database."""

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        self.source = source
        kwargs.setdefault("editable", False)
        kwargs.setdefault("max_length", 1000)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:  # noqa: ANN401
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def db_parameters(self, connection: "BaseDatabaseWrapper") -> Any:  # noqa: ANN401
        # PostgreSQL's default collation orders by language; keyset pages need one order on every database.
        parameters = super().db_parameters(connection)
        return {**parameters, "collation": "C"} if connection.vendor == "postgresql" else parameters

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: ARG002, FBT001
        value = sort_key(str(getattr(model_instance, self.source)))[: self.max_length]
        setattr(model_instance, self.attname, value)
        return value
