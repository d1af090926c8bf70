"""Gives each role of the database what `store.rights` says, and takes what it has besides; as the schema's owner."""

from collections.abc import Iterable, Iterator, Sequence, Set

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from domain.errors import ConfigurationError
from store.columns import SCHEMA
from store.database import driver_connection
from store.grants import APPLICATION_ROLE, role_of
from store.right import Verb
from store.rights import ALSO, PARTS, columns
from store.tables import inbox, offsets

_APPEND = f"{SCHEMA}.append_to_trail(bigint[], text[], bytea[])"
_END = f"{SCHEMA}.trail_end()"
_TRACE = f"{SCHEMA}.hosts_of_study(text)"
_COMPARE = f"{SCHEMA}.earlier_studies(uuid)"
_DIVIDE = f"{SCHEMA}.open_trail_part()"
_VERSION = f"{SCHEMA}.alembic_version"
_BY_READER = (offsets.name, inbox.name)

_LACKS = "the owner may not make the database's roles; have an administrator of the server run, once:"

# What a row was refused for, the server says to us and would write down as well, values included. Only a superuser may
# stop that: the owner of the embedded database is one, elsewhere it is done when the roles are made (deploy/postgres).
_QUIET = """
DO $$ DECLARE loud text; BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        FOR loud IN SELECT rolname FROM pg_roles WHERE rolname IN ({})
            AND NOT 'log_min_messages=fatal' = ANY(coalesce(rolconfig, ARRAY[]::text[])) LOOP
            EXECUTE format('ALTER ROLE %I SET log_min_messages = fatal', loud);
        END LOOP;
    END IF;
END $$
"""

# Of our roles and what they may, a column at a time; a right on the whole table counts for each of its columns.
_HELD = text(
    f"""
    SELECT r.rolname, a.privilege_type, c.relname, t.attname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
    CROSS JOIN LATERAL (
        SELECT grantee, privilege_type FROM aclexplode(c.relacl) UNION SELECT * FROM (
            SELECT grantee, privilege_type FROM aclexplode(t.attacl)) of_column
    ) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'p', 'S', 'v') AND a.grantee <> c.relowner
    """
)


def grant(connection: Connection) -> None:
    """Bring the rights in line; the same again changes nothing.

    Raises ConfigurationError with what an administrator of the server has to run where the owner may make no roles.
    """
    if missing := list(_missing(connection)):
        _make(connection, missing)
    given, told = held(connection), wanted()
    statements = [one for role in (APPLICATION_ROLE, *map(role_of, PARTS)) for one in _to_take(role, given, told)]
    statements += [one for process in PARTS for one in _to_give(process, given, told)]
    ours = (APPLICATION_ROLE, *map(role_of, PARTS))
    statements.append(_QUIET.format(", ".join(f"'{role}'" for role in ours)))
    driver_connection(connection).execute("; ".join(statements).encode())
    _policies(connection)


def excess(connection: Connection) -> Sequence[str]:
    """What our roles and whoever is logged in may do that no table of rights says, a line each."""
    return [*_of_login(connection), *_beyond(connection)]


def held(connection: Connection) -> set[tuple[str, str, str, str]]:
    """Role ("" for everybody), verb, table and column of every right that is given in the schema."""
    return {(row[0] or "", row[1], row[2], row[3]) for row in connection.execute(_HELD)}


def wanted() -> set[tuple[str, str, str, str]]:
    """The same, as the rights say."""
    told = {(role_of(one), verb.value, table, column) for one in PARTS for verb, table, column in columns(one)}
    return told | {(role_of(one), Verb.SELECT.value, "alembic_version", "version_num") for one in PARTS}


def _missing(connection: Connection) -> Iterator[str]:
    """What makes the roles that are not there, and members of those who are to be and are not."""
    known = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    yield from (f"CREATE ROLE {role_of(one)} NOLOGIN" for one in PARTS if role_of(one) not in known)
    members = [(APPLICATION_ROLE, role_of(one)) for one in PARTS]
    members += [(role_of(member), role_of(one)) for member, others in ALSO.items() for one in others]
    yield from (f"GRANT {role} TO {one}" for one, role in members if not _is_member(connection, one, role, known))


def _is_member(connection: Connection, one: str, role: str, known: Iterable[str]) -> bool:
    if not {one, role} <= set(known):
        return False
    return bool(connection.scalar(text("SELECT pg_has_role(:one, :role, 'MEMBER')"), {"one": one, "role": role}))


def _make(connection: Connection, statements: Sequence[str]) -> None:
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        raise ConfigurationError(_LACKS, *(f"{statement};" for statement in statements)) from error


_Held = Set[tuple[str, str, str, str]]


def _to_take(role: str, given: _Held, told: _Held) -> Iterator[str]:
    if _of(role, given) - told:
        for kind in ("TABLES", "SEQUENCES"):
            yield f"REVOKE ALL ON ALL {kind} IN SCHEMA {SCHEMA} FROM {role}"
    yield f"REVOKE ALL ON ALL ROUTINES IN SCHEMA {SCHEMA} FROM {role}"
    yield f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM {role}"


def _to_give(process: str, given: _Held, told: _Held) -> Iterator[str]:
    role, part = role_of(process), PARTS[process]
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"
    yield f"GRANT EXECUTE ON FUNCTION {_APPEND}, {_END} TO {role}"
    if part.traces:
        yield f"GRANT EXECUTE ON FUNCTION {_TRACE} TO {role}"
    if part.compares:
        yield f"GRANT EXECUTE ON FUNCTION {_COMPARE} TO {role}"
    if part.divides:
        yield f"GRANT EXECUTE ON FUNCTION {_DIVIDE} TO {role}"
    if _of(role, given) == _of(role, told):
        return
    yield f"GRANT SELECT ON {_VERSION} TO {role}"
    for right in part.rights:
        every = right.columns == tuple(right.table.columns.keys())
        named = "" if every else " (" + ", ".join(map(_quoted, right.columns)) + ")"
        yield f"GRANT {right.verb}{named} ON {SCHEMA}.{right.table.name} TO {role}"


def _of(role: str, rights: _Held) -> _Held:
    return {one for one in rights if one[0] == role}


def _policies(connection: Connection) -> None:
    """Of what is by reader each role has its own rows. One that is there stays, for a new one waits for everybody."""
    rows = connection.execute(
        text("SELECT tablename, policyname FROM pg_policies WHERE schemaname = :s"), {"s": SCHEMA}
    )
    known = {(row[0], row[1]) for row in rows}
    fresh = dict(_wanted_policies())
    for table, name in sorted(known - fresh.keys()):
        connection.execute(text(f'DROP POLICY "{name}" ON {SCHEMA}.{table}'))
    for (table, name), statement in fresh.items():
        if (table, name) not in known:
            connection.execute(text(f'CREATE POLICY "{name}" ON {SCHEMA}.{table} {statement}'))


def _wanted_policies() -> Iterator[tuple[tuple[str, str], str]]:
    for process, part in PARTS.items():
        readers = "every reader" if part.reads_as is None else ", ".join(part.reads_as)
        if readers:
            own = "true" if part.reads_as is None else _among(part.reads_as)
            for table in _BY_READER:
                yield (table, f"{process} as {readers}"), f"TO {role_of(process)} USING ({own}) WITH CHECK ({own})"


def _among(readers: Sequence[str]) -> str:
    return "reader IN ('" + "', '".join(readers) + "')"


def _quoted(column: str) -> str:
    return f'"{column}"'


def _of_login(connection: Connection) -> Iterator[str]:
    asked = text(
        f"""
        SELECT rolname, rolsuper, rolcreaterole, rolbypassrls, pg_has_role(n.nspowner, 'MEMBER')
        FROM pg_roles, pg_namespace n WHERE rolname = session_user AND n.nspname = '{SCHEMA}'
        """
    )
    for name, superuser, makes_roles, passes_rows, owner in connection.execute(asked):
        if superuser:
            yield f"the login {name} is a superuser"
        elif owner:
            yield f"the login {name} owns the schema, or may act as who does"
        elif makes_roles or passes_rows:
            yield f"the login {name} may {'make roles' if makes_roles else 'pass by the policies of rows'}"


def _beyond(connection: Connection) -> Iterator[str]:
    ours = {APPLICATION_ROLE, "", *map(role_of, PARTS)}
    login = str(connection.scalar(text("SELECT session_user")))
    found = sorted(
        {(role, verb, table) for role, verb, table, _ in held(connection) - wanted() if role in {login, *ours}}
    )
    yield from (f"{role or 'everybody'} may {verb} {table}: dicom-node database grant" for role, verb, table in found)
