"""The tables of earlier studies that are asked for, so that packages can compare with them."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import SCHEMA, metadata, moment

# One for each study with a model that compares: what is wanted, until when it is waited for, and what came of it.
prior_requests = Table(
    "prior_requests",
    metadata,
    Column("study_id", ForeignKey(f"{SCHEMA}.studies.id"), primary_key=True),
    Column("state", Text, nullable=False),  # store.priors.RequestState
    Column("reason", Text, nullable=False),
    Column("wanted", JSONB, nullable=False),  # domain.priors.Wanted by the model's name
    Column("earlier", JSONB, nullable=False),  # domain.priors.EarlierChoice by the model's name, once it is answered
    Column("sent", JSONB, nullable=False),  # how many images of each study archives say to have sent
    moment("asked_at"),
    moment("until"),  # from then on models run without
    Column("owner", Text),  # who asks archives at this moment
    Index("ix_prior_requests_open", "asked_at", postgresql_where=text("state <> 'answered'")),
)

# Studies that the node has asked an archive to send: what comes of them, from there and by then, is no new study.
fetched_studies = Table(
    "fetched_studies",
    metadata,
    Column("study_uid", Text, primary_key=True),
    Column("source", Text, nullable=False),  # the archive's name
    Column("calling_ae", Text, nullable=False),  # by what it calls, and from where
    Column("address", Text, nullable=False),
    Column("asked_for", ForeignKey(f"{SCHEMA}.studies.id"), nullable=False),  # the study that it is compared with
    moment("asked_at"),
    moment("until"),
    Index(None, "asked_for"),
)
