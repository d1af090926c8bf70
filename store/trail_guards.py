"""What keeps the trail as it is in the database, looked at: who could alter it, its triggers, its functions.

PostgreSQL's own catalogue is asked, which every role may read. Names are of the whole path, so that nothing which a
login has put in front of it is asked instead.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from store.columns import SCHEMA
from store.granting import wanted
from store.queries.schema import known_revisions

#: Tables of which no row is ever changed. Those that a release does not have yet are passed over.
GUARDED = (
    *("audit_entries", "audit_parts", "audit_archives"),
    *("audit_tiles", "audit_checkpoints", "audit_cosignatures"),
)
_GRANT = "dicom-node database grant takes it"
_CHANGED = "keep the database as it is and compare with a backup, for somebody who owns it has changed it"
_OWN_LOGIN = "give the node a login that is a member of dicom_node_app and of nothing else (docs/operations.md)"

#: All functions of the schema, as this release's migrations leave them: SHA-256 of whose rights each has, its settings
#: and its body. Whoever makes another one enters it here.
BODIES: Mapping[str, str] = {
    "append_to_trail": "d4d4d54f04754e5334521dc0634fc6d668f6f8587e1c823dfc7dfe8ae486d5aa",
    "divide_trail": "75b47d651fe849ec0737ead48f5d74a24dde463c4f660f2064fd235f5034c2d0",
    "earlier_studies": "4665569366c6fcd30fc86ce56c62a2aea7d7822c24cdd1567ecf4fdafa279190",
    "guard_trail_part": "06b6ce3f347ca1a51cdac0ce46da5bd70e5cd1d0ea51602ca485d800653b1a5e",
    "hosts_of_study": "666c04d9b6b014c442d421ddb6c30b042807788e6207839db0379f04bdab8f25",
    "open_trail_part": "064d6c4ea6d30c802259ce6b91bc6ad496ef304e4e9e6228d212bc06b9e52101",
    "refuse_change": "fb1d6d3e2b7749c2e9a90924b64c3029a89059fcfb60b43763aeb124245339bd",
    "trail_end": "43ff8d28d1ca496d8e474dbf2753af3e7bbac879765fe3565a698fa03dd6f8e1",
}

_TABLES = f"""
    SELECT c.oid, c.relname, c.relowner, c.relrowsecurity FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
    WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'p') AND coalesce(p.relname, c.relname) = ANY(:guarded)
"""
# Everybody as whom the login may work, itself first.
_SELVES = (
    "SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')"
)

_LOGIN = text(
    """
    SELECT r.rolname, r.rolsuper, r.rolcreaterole, ARRAY(
        SELECT m.rolname FROM pg_catalog.pg_roles m WHERE pg_catalog.pg_has_role(session_user, m.oid, 'MEMBER')
        AND m.rolname IN ('pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data')
        ORDER BY 1
    ) AS writes FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
    """
)
_OWNED = text(
    f"""
    WITH selves AS ({_SELVES}), tables AS ({_TABLES})
    SELECT s.rolname, 'the table ' || t.relname AS what FROM tables t JOIN selves s ON s.oid = t.relowner
    UNION ALL SELECT s.rolname, 'the function ' || f.proname FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace JOIN selves s ON s.oid = f.proowner
        WHERE n.nspname = '{SCHEMA}'
    UNION ALL SELECT s.rolname, 'the schema' FROM pg_catalog.pg_namespace n JOIN selves s ON s.oid = n.nspowner
        WHERE n.nspname = '{SCHEMA}'
    UNION ALL SELECT s.rolname, 'the database' FROM pg_catalog.pg_database d JOIN selves s ON s.oid = d.datdba
        WHERE d.datname = current_database()
    ORDER BY 1, 2
    """
)
# What was granted, on a table or a column of it, to one of them or to everybody.
_RIGHTS = text(
    f"""
    WITH selves AS ({_SELVES}), tables AS ({_TABLES})
    SELECT DISTINCT coalesce(s.rolname, '') AS rolname, a.privilege_type AS verb, t.relname
    FROM tables t JOIN pg_catalog.pg_class c ON c.oid = t.oid
    CROSS JOIN LATERAL (
        SELECT grantee, privilege_type FROM pg_catalog.aclexplode(c.relacl)
        UNION SELECT g.grantee, g.privilege_type FROM pg_catalog.pg_attribute n
            CROSS JOIN LATERAL pg_catalog.aclexplode(n.attacl) AS g WHERE n.attrelid = t.oid
    ) a LEFT JOIN selves s ON s.oid = a.grantee
    WHERE (s.oid IS NOT NULL OR a.grantee = 0) AND a.grantee <> t.relowner
    AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') ORDER BY 1, 3, 2
    """
)
# A trigger's kind is a number: for each row 1, before 2, DELETE 8, UPDATE 16, TRUNCATE 32 (pg_trigger.h).
_TRIGGERS = text(
    f"""
    WITH tables AS ({_TABLES})
    SELECT t.relname, w.name, g.tgenabled, f.proname = 'refuse_change' AND fn.nspname = '{SCHEMA}'
        AND g.tgtype = w.kind AND g.tgqual IS NULL AS right
    FROM tables t CROSS JOIN (VALUES ('append_only', 27), ('no_truncate', 34)) AS w (name, kind)
    LEFT JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND g.tgname = w.name
    LEFT JOIN pg_catalog.pg_proc f ON f.oid = g.tgfoid LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
    ORDER BY 1, 2
    """
)
_STRANGE = text(
    f"""
    WITH tables AS ({_TABLES})
    SELECT t.relname, 'the trigger ' || g.tgname AS what FROM tables t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid
        WHERE NOT g.tgisinternal AND g.tgname NOT IN ('append_only', 'no_truncate')
    UNION ALL SELECT t.relname, 'the rule ' || w.rulename FROM tables t
        JOIN pg_catalog.pg_rewrite w ON w.ev_class = t.oid
    UNION ALL SELECT t.relname, 'row security' FROM tables t WHERE t.relrowsecurity
    ORDER BY 1, 2
    """
)
_FUNCTIONS = text(
    f"""
    SELECT f.proname, pg_catalog.concat(f.prosecdef, f.proconfig, f.prosrc) AS said FROM pg_catalog.pg_proc f
    JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = '{SCHEMA}' ORDER BY 1
    """
)
_WHO = text(
    f"""
    SELECT r.rolname, CASE WHEN r.rolsuper THEN 'superuser' ELSE 'owner' END AS why FROM pg_catalog.pg_roles r
    WHERE r.rolcanlogin AND (r.rolsuper OR EXISTS (
        SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = '{SCHEMA}' AND c.relname = 'audit_entries'
        AND pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')
    )) ORDER BY 1
    """
)


@dataclass(frozen=True)
class Fault:
    """What is not as it is to be, and what to do about it."""

    said: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.said}: {self.remedy}"


def faults(connection: Connection) -> Sequence[Fault]:
    """Everything by which the trail could be altered by whoever is logged in, or unnoticed by the database itself."""
    return [*_of_login(connection), *_of_guards(connection)]


def who_may(connection: Connection) -> Sequence[str]:
    """Who may log in and could alter the trail whatever is done: superusers, and who may act as its owner."""
    return [f"{row.rolname} ({row.why})" for row in connection.execute(_WHO)]


def _of_login(connection: Connection) -> Iterator[Fault]:
    login = connection.execute(_LOGIN).one()
    name = login.rolname
    if login.rolsuper:  # and so may everything else
        yield Fault(f"the node's login {name} is a superuser, who can switch the trail's triggers off", _OWN_LOGIN)
        return
    guarded = {"guarded": list(GUARDED)}
    owned = connection.execute(_OWNED, guarded).all()
    for owner in sorted({row.rolname for row in owned}):
        what = _listed([row.what for row in owned if row.rolname == owner])
        yield Fault(f"the node's login {name} owns {what}{_as(name, owner)}", _OWN_LOGIN)
    meant = {(role, verb, table) for role, verb, table, _ in wanted()}  # who signs adds checkpoints
    for holder, verb, table in connection.execute(_RIGHTS, guarded):
        if (holder, verb, table) not in meant:
            yield Fault(f"the node's login {name} may {verb} {table}{_as(name, holder)}", _GRANT)
    for group in login.writes:
        yield Fault(f"the node's login {name} is a member of {group}", f"REVOKE {group} FROM {name}")
    if login.rolcreaterole and _makes_itself_members(connection):
        yield Fault(f"the node's login {name} may make roles, and itself a member of others", _OWN_LOGIN)


def _of_guards(connection: Connection) -> Iterator[Fault]:
    guarded = {"guarded": list(GUARDED)}
    for table, trigger, enabled, right in connection.execute(_TRIGGERS, guarded):
        if enabled is None or not right:
            said = "is not there" if enabled is None else "is not the one of the schema"
            yield Fault(f"the trigger {trigger} of {table} {said}", _CHANGED)
        elif enabled != "A":
            remedy = f"as the owner: ALTER TABLE {SCHEMA}.{table} ENABLE ALWAYS TRIGGER {trigger}"
            yield Fault(f"the trigger {trigger} of {table} is off, or off for some; verify the trail", remedy)
    for table, what in connection.execute(_STRANGE, guarded):
        yield Fault(f"{table} has {what}, which is not the schema's", "find out who made it, and drop it as the owner")
    if str(connection.scalar(text(f"SELECT version_num FROM {SCHEMA}.alembic_version"))) == known_revisions()[-1]:
        yield from _of_functions(connection)


def _of_functions(connection: Connection) -> Iterator[Fault]:
    """Of a schema of this release: a later one may have others."""
    found = bodies(connection)
    for name in sorted({*found, *BODIES}):
        if found.get(name) != BODIES.get(name):
            said = "is not there" if name not in found else "is not the one of this release"
            yield Fault(f"the function {name} {said}", _CHANGED)


def bodies(connection: Connection) -> Mapping[str, str]:
    """The functions of the schema as they are there, as `BODIES` has them."""
    rows = connection.execute(_FUNCTIONS).all()
    names = [row.proname for row in rows]
    # Of two by one name neither is the schema's.
    return {
        row.proname: hashlib.sha256(row.said.encode()).hexdigest() if names.count(row.proname) == 1 else "two"
        for row in rows
    }


def _makes_itself_members(connection: Connection) -> bool:
    """Before PostgreSQL 16 whoever makes roles may make anybody a member of any role that is no superuser."""
    return bool(connection.scalar(text("SELECT current_setting('server_version_num')::int < 160000")))


def _as(name: str, role: str) -> str:
    return "" if role == name else f", as {role or 'everybody'}"


def _listed(words: Sequence[str], most: int = 3) -> str:
    shown = list(words[:most])
    return ", ".join(shown) + (f" and {len(words) - most} more" if len(words) > most else "")
