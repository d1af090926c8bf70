"""A trail of as many entries as a test or a measurement wants, made by the database itself; not chained."""

import hashlib
import uuid
from typing import Any

import psycopg

#: Which table has which entries.
PIECES = "SELECT tableoid::regclass::text, min(number), max(number) FROM dicom_node.audit_entries GROUP BY 1 ORDER BY 2"
# $1 is what lies between two entries. A study has some fifteen, close together, a day some thousands; one in a thousand
# is of a person.
_MAKE = """
    INSERT INTO dicom_node.audit_entries (number, entry, hash)
    SELECT n, format(
        '{"action":"%s","at":"%s","by":{"host":"node-%s","role":"%s"},"details":{%s},"number":%s,"study":%s}',
        CASE WHEN n % 5000 = 0 THEN 'results withdrawn' WHEN n % 1000 = 0 THEN 'audit log used'
             ELSE (ARRAY['instances received', 'study completed', 'inference leased', 'inference done',
                         'results written', 'delivery started', 'results delivered'])[1 + n % 7] END,
        to_char(timestamp '2026-01-01' + n * $1::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00',
        n % 3,
        CASE WHEN n % 1000 = 0 THEN 'console' ELSE (ARRAY['index', 'work', 'deliver'])[1 + n % 3] END,
        CASE WHEN n % 1000 = 0 THEN format('"user":"user-%s"', n / 1000 % 20) ELSE
            format('"digest":"%s%s","sop_uid":"2.25.%s%s"', md5(n::text), md5('a' || n), n * 7919, n) END,
        n,
        CASE WHEN n % 1000 = 0 THEN 'null' ELSE format('"%s"', md5((n / 15)::text)::uuid) END
    ), sha256(n::text::bytea) FROM generate_series($2::bigint, $3::bigint) AS n
"""


def add_entries(owner: psycopg.Connection[Any], first: int, last: int, apart: str = "30 seconds") -> None:
    """Entries `first` to `last`, that far `apart`, from the beginning of 2026 on."""
    psycopg.RawCursor(owner).execute(_MAKE, [apart, first, last])


def begin_part(owner: psycopg.Connection[Any], first: int) -> None:
    """Have the trail's next part begin with entry `first`, as if the month had turned then."""
    owner.execute("SELECT dicom_node.divide_trail((SELECT max(first) FROM dicom_node.audit_parts), %s)", [first])
    owner.execute("INSERT INTO dicom_node.audit_parts VALUES (%s, now())", [first])


def study(number: int) -> str:
    """The study of entry `number`."""
    return str(uuid.UUID(hashlib.md5(str(number // 15).encode(), usedforsecurity=False).hexdigest()))
