"""Statements of the hot path, compiled once.

SQLAlchemy builds, checks and types a statement anew each time it is executed, which costs five to ten times what the
database needs for a statement by primary key. These are written in Core like all others, compiled for the dialect when
they are first used, and from then on handed to the driver with the same conversions of values.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable
from sqlalchemy.sql.expression import ReturnsRows

Convert = Callable[[Any], Any] | None


class Prepared:
    """One statement; its ``bindparam`` names are the keys of the parameters it is executed with.

    :param statement: a Core statement without ``IN`` lists, whose length SQLAlchemy only fills in when it executes.
    """

    __slots__ = ("_forms", "_statement")

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Execute it; returns how many rows it changed."""
        return self._form(connection).run(connection, parameters)

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        """Execute it; returns the first row (attributes by column name), or None."""
        return self._form(connection).first(connection, parameters)

    def _form(self, connection: Connection) -> _Form:
        form = self._forms.get(connection.dialect.name)
        if form is None:
            form = self._forms[connection.dialect.name] = _Form(self._statement, connection.dialect)
        return form


def as_sqlalchemy(connection: Connection, error: Exception) -> Exception:
    """A driver's error as SQLAlchemy would raise it, without statement and parameters."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, cast(Any, connection.connection.dbapi_connection), None)  # type: ignore[arg-type]
    return DBAPIError.instance(
        None, None, error, dialect.loaded_dbapi.Error, connection_invalidated=lost, dialect=dialect
    )


class _Form:
    """A statement compiled for one dialect: its text, and how values go in and come out."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled: Any = cast(Any, statement).compile(dialect=dialect)
        self._dialect = dialect
        self._sql = str(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._named = compiled.positiontup is None
        names: list[str] = list(binds if self._named else compiled.positiontup)
        self._in: list[tuple[str, Convert]] = [
            (name, binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names
        ]
        self._constants = {
            name: value if value is None or convert is None else convert(value)
            for name, convert in self._in
            if not binds[name].required
            for value in (binds[name].effective_value,)
        }
        columns = statement.exported_columns if isinstance(statement, ReturnsRows) else ()
        keys = [str(column.key) for column in columns]
        self._row: Any = namedtuple("Row", keys, rename=True) if keys else None
        self._out: list[Convert] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
        ]

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        cursor = self._execute(connection, parameters)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        cursor = self._execute(connection, parameters)
        try:
            values = cursor.fetchone()
        finally:
            cursor.close()
        if values is None:
            return None
        return self._row._make(
            convert(value) if convert is not None else value for convert, value in zip(self._out, values, strict=True)
        )

    def _execute(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        values: Any = [
            self._constants[name]
            if name not in parameters
            else parameters[name]
            if convert is None
            else convert(parameters[name])
            for name, convert in self._in
        ]
        if self._named:
            values = {name: value for (name, _), value in zip(self._in, values, strict=True)}
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._sql, values)
        except self._dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemy(connection, error) from error
        return cursor
