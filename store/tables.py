"""The tables. PostgreSQL holds the truth; no column holds a name, a patient id, a birth date or an accession number."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store import (  # noqa: F401 - whose tables are of the schema too
    arrival_tables,
    checkpoint_tables,
    columns,
    commitment_tables,
    once_tables,
    people_tables,
    prior_tables,
    procedure_tables,
    receiver_tables,
    trail_tables,
    trail_words,
)
from store.columns import leased, moment, turn

metadata = columns.metadata  # with the tables of those modules, and every one that is made below

studies = Table(
    "studies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("study_uid", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    moment("since"),
    Column("revision", Integer, nullable=False, server_default=text("0")),  # how often it was complete
    moment("first_received"),
    moment("last_received"),
    # Spools with an object that a row names already and that is not synced yet: each lets go of what it holds.
    Column("unsynced", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Keyed digests of whom its instances name; those that a person found to be one patient's; whether they are two's.
    Column("named", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("same_patient", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("two_patients", Boolean, nullable=False, server_default=text("false")),
    Column("images_removed", Integer, nullable=False, server_default=text("0")),  # images that retention has removed
    moment("images_removed_at", nullable=True),
    Column("turn", BigInteger),  # of a study that would be complete and waits for others: when it is its turn
    Column("completeness", Text, nullable=False, server_default=""),  # how it was known to be complete the last time
    Column("lacks", Text, nullable=False, server_default=""),  # what was missing of it then, as far as that was known
    Index("ix_studies_open", "state", postgresql_where=text("state in ('receiving', 'amended')")),
    Index(None, "last_received"),
    Index(None, "first_received", "id"),  # in which order they are paged
    Index(None, "named", postgresql_using="gin"),
)

associations = Table(
    "associations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("calling_ae", Text, nullable=False),
    Column("called_ae", Text, nullable=False),
    Column("address", Text, nullable=False),
    moment("opened_at"),
    moment("closed_at", nullable=True),
    Column("outcome", Text),
    Index("ix_associations_live", "id", postgresql_where=text("closed_at is null")),
)

study_associations = Table(
    "study_associations",
    metadata,
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("association_id", ForeignKey(associations.c.id), nullable=False),
    Column("last_sequence", BigInteger),  # number of the association's last record that brought something of the study
    PrimaryKeyConstraint("study_id", "association_id"),
    Index(None, "association_id"),
)

series = Table(
    "series",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("series_uid", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("series_description", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    UniqueConstraint("study_id", "series_uid"),
)

instances = Table(
    "instances",
    metadata,
    Column("sop_uid", Text, primary_key=True),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("series_id", ForeignKey(series.c.id), nullable=False),
    Column("association_id", Uuid, nullable=False),
    Column("sop_class", Text, nullable=False),
    Column("transfer_syntax", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of its Part 10 file
    Column("size", BigInteger, nullable=False),  # bytes of the data set as received
    Column("object_key", Text, nullable=False),
    Column("revision", Integer, nullable=False),  # the study's revision that is the first to contain it
    Column("body_part", Text, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("position", ARRAY(Double)),  # Image Position (Patient), mm
    Column("orientation", ARRAY(Double)),  # Image Orientation (Patient)
    Column("slice_spacing", Double),  # mm, where an instance of several frames states it
    Column("view", Text, nullable=False, server_default=""),  # View Position
    Column("image_type", Text, nullable=False, server_default=""),  # its values, parted by backslashes
    Column("photometric", Text, nullable=False, server_default=""),
    Column("contrast", Boolean, nullable=False, server_default=text("false")),  # names an agent
    Column("burned_in", Boolean, nullable=False, server_default=text("false")),  # says that text is in its pixels
    Column("age", Double),  # the patient's, in years
    # What follows is null where an earlier release indexed the instance.
    Column("modality", Text),
    Column("series_description", Text),
    Column("series_number", Integer),
    Column("instance_number", Integer),
    Column("frame_of_reference", Text),  # its UID; empty where the image states none
    Column("kernel", Text),  # Convolution Kernel
    Column("thickness", Double),  # Slice Thickness, mm
    Column("places", Integer),  # how many positions the frames of a multi-frame instance have
    Column("identity", ARRAY(Text)),  # keyed digests of whom it names (domain.identity)
    moment("received_at"),
    Index(None, "study_id"),
    Index(None, "series_id"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sop_uid", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("kept_digest", Text, nullable=False),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("association_id", Uuid, nullable=False),
    Column("object_key", Text, nullable=False),
    moment("received_at"),
    Column("kind", Text, nullable=False, server_default="other bytes"),  # domain.identity.ConflictKind
    Column("identity", ARRAY(Text)),  # as an instance's
    Column("sent_study_id", ForeignKey(studies.c.id)),  # the study that these bytes name; null: of an earlier release
    Column("ended", Text, nullable=False, server_default=""),  # domain.identity.ConflictEnd; empty while it waits
    moment("adopted_at", nullable=True),  # when a person let other bytes take their place in the index
    UniqueConstraint("sop_uid", "digest"),
    Index(None, "study_id"),
    Index(None, "sent_study_id"),
)

holds = Table(
    "holds",
    metadata,
    Column("study_id", ForeignKey(studies.c.id), primary_key=True),
    moment("since"),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
)

# Files whose rows are gone and that are still to go: the one row of each that could name the same bytes is looked for.
removals = Table(
    "removals",
    metadata,
    Column("object_key", Text, primary_key=True),
    Column("sop_uid", Text, nullable=False),  # of the object; empty for a mask or a map, which no other row can name
    moment("removed_at"),
)

identity_key = Table(
    "identity_key",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("check_value", Text, nullable=False),  # tells whether a key is the one that all digests here were made with
    CheckConstraint("single", name="single"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sop_uid", Text, nullable=False),
    Column("sop_class", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of its Part 10 file, or of the record's place where that was lost
    Column("association_id", Uuid, nullable=False),
    Column("object_key", Text, nullable=False),  # empty where no bytes are left
    Column("reason", Text, nullable=False),
    moment("received_at"),
    Column("study_id", ForeignKey(studies.c.id)),  # where its UIDs could be read
    Column("series_uid", Text, nullable=False, server_default=""),
    Column("set_aside", Boolean, nullable=False, server_default=text("false")),  # by a person: it can be read
    UniqueConstraint("sop_uid", "digest"),
    Index(None, "study_id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("series_id", Uuid),
    Column("inputs", JSONB, nullable=False, server_default=text("'{}'")),  # the series of each input by its name
    Column("reason", Text, nullable=False),
    Column("refusals", JSONB, nullable=False),
    moment("decided_at"),
    PrimaryKeyConstraint("study_id", "revision", "model"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("series_id", ForeignKey(series.c.id), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("inputs", JSONB, nullable=False, server_default=text("'{}'")),  # series by input; {}: the one above alone
    Column("images", JSONB, nullable=False, server_default=text("'{}'")),  # SOP UIDs by input that reads not all of it
    Column("input_set", Text, nullable=False),  # SHA-256 over the digests of its instances
    *leased(),
    moment("requested_at"),
    Column("findings", JSONB),
    moment("finished_at", nullable=True),
    Column("accepted", Boolean, nullable=False, server_default=text("false")),  # the study goes on without its result
    Column("result_number", Integer),  # of the study's results by this model, from 1; null until they are written
    moment("withdrawn_at", nullable=True),  # when its results were taken back as wrong
    Column("withdrawn_for", Text, nullable=False, server_default=""),  # why, in the words of who did
    Column("withdrawn_by", Text, nullable=False, server_default=""),  # who; empty where the node did
    moment("maps_removed_at", nullable=True),  # when retention removed its mask and maps
    Column("follows", ARRAY(Text)),  # UIDs of the results that its own follow; null until they are written
    Column("done_anew", Boolean, nullable=False, server_default=text("false")),  # a person asked for another result
    Column("early", Boolean, nullable=False, server_default=text("false")),  # no complete revision has wanted it yet
    Column("started_early", Text, nullable=False, server_default=""),  # why it was asked for before that
    *turn("jobs", "requested"),
    UniqueConstraint("study_id", "model", "version", "model_digest", "input_set"),
    Index("uq_jobs_result_number", "study_id", "model", "result_number", unique=True),
    Index("ix_jobs_early", "study_id", postgresql_where=text("early")),
    Index("ix_jobs_due", "early", "turn", "not_before", "id", postgresql_where=text("state = 'requested'")),
    Index("ix_jobs_waiting", "not_before", postgresql_where=text("state in ('requested', 'leased', 'running')")),
)

# The impression of a study's revision: sentences about the findings of all of its models.
summaries = Table(
    "summaries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("revision", Integer, nullable=False),  # the newest that wants it
    Column("number", Integer, nullable=False),  # of the study's impressions, from 1
    Column("findings_set", Text, nullable=False),  # SHA-256 over the runs whose findings it is about
    *leased(),
    moment("requested_at"),
    Column("facts", JSONB(none_as_null=True)),  # domain.impressions.Facts
    Column("sources", JSONB(none_as_null=True)),  # of the facts: domain.impressions.FactSource
    Column("runs", JSONB(none_as_null=True)),  # ids of the jobs whose findings it is about
    Column("impression", JSONB(none_as_null=True)),  # domain.impressions.Impression
    Column("asked", JSONB(none_as_null=True)),  # what language models were told of it, byte for byte
    moment("finished_at", nullable=True),
    moment("withdrawn_at", nullable=True),  # when it was taken back as wrong
    Column("follows", ARRAY(Text)),  # as of a run's results
    *turn("summaries", "requested"),
    UniqueConstraint("study_id", "findings_set"),
    UniqueConstraint("study_id", "number"),
    Index("ix_summaries_waiting", "not_before", postgresql_where=text("state in ('requested', 'running')")),
)

# Articles about findings, by the coded terms that sources were asked for: of no study.
literature = Table(
    "literature",
    metadata,
    Column("subject", Text, primary_key=True),  # codes of a finding and a site, a modality
    Column("articles", JSONB, nullable=False),  # those that may be shown: summary.literature.articles.Article
    moment("found_at"),
)

results = Table(
    "results",
    metadata,
    Column("sop_uid", Text, primary_key=True),
    Column("job_id", ForeignKey(jobs.c.id)),  # what it is of: a run of a model, or a study's impression
    Column("summary_id", ForeignKey(summaries.c.id)),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sop_class", Text, nullable=False),
    Column("series_uid", Text, nullable=False),
    Column("transfer_syntax", Text, nullable=False),
    Column("refers", Text, nullable=False, server_default=""),  # form of the segmentation that a report refers to
    Column("object_key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    moment("written_at"),
    moment("removed_at", nullable=True),  # when retention removed its file
    CheckConstraint("num_nonnulls(job_id, summary_id) = 1", name="of_one"),
    Index(None, "study_id"),
    Index(None, "job_id"),
    Index(None, "summary_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", ForeignKey(jobs.c.id)),  # as of a result
    Column("summary_id", ForeignKey(summaries.c.id)),
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("destination", Text, nullable=False),
    *leased(),
    moment("first_attempt", nullable=True),
    Column("choices", JSONB, nullable=False, server_default=text("'[]'")),  # what became of each kind, and why
    moment("planned_at", nullable=True),  # when that was chosen
    Column("rewritten", Integer, nullable=False, server_default=text("0")),  # times results were written anew for it
    Column("forgotten", Boolean, nullable=False, server_default=text("false")),  # cancelled, and `retry` remembers it
    CheckConstraint("num_nonnulls(job_id, summary_id) = 1", name="of_one"),
    *turn("deliveries", "pending"),
    UniqueConstraint("job_id", "destination"),
    UniqueConstraint("summary_id", "destination"),
    Index(None, "study_id"),
    Index("ix_deliveries_waiting", "not_before", postgresql_where=text("state in ('pending', 'sending')")),
)

delivery_objects = Table(
    "delivery_objects",
    metadata,
    Column("delivery_id", ForeignKey(deliveries.c.id), nullable=False),
    Column("sop_uid", ForeignKey(results.c.sop_uid), nullable=False),
    Column("stored", Boolean, nullable=False, server_default=text("false")),
    Column("status", Integer),  # the peer's last C-STORE status
    moment("at", nullable=True),
    Column("dropped", Boolean, nullable=False, server_default=text("false")),  # another form was chosen instead
    PrimaryKeyConstraint("delivery_id", "sop_uid"),
)

rejections = Table(
    "rejections",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("delivery_id", ForeignKey(deliveries.c.id), nullable=False),  # what of it is out is what the note rejects
    Column("study_id", ForeignKey(studies.c.id), nullable=False),
    Column("destination", Text, nullable=False),
    Column("cause", Text, nullable=False),  # superseded, withdrawn
    *leased(),
    moment("first_attempt", nullable=True),
    moment("requested_at"),
    # What follows is empty until the note is written.
    Column("sop_uid", Text, nullable=False, server_default=""),
    Column("transfer_syntax", Text, nullable=False, server_default=""),
    Column("object_key", Text, nullable=False, server_default=""),
    Column("forgotten", Boolean, nullable=False, server_default=text("false")),  # cancelled with its destination
    *turn("rejections", "pending"),
    UniqueConstraint("delivery_id", "cause"),
    Index(None, "study_id"),
    Index("ix_rejections_waiting", "not_before", postgresql_where=text("state in ('pending', 'sending')")),
)

destinations_seen = Table(
    "destinations_seen",
    metadata,
    Column("name", Text, primary_key=True),
    Column("address", Text, nullable=False),  # AET@HOST:PORT that was asked
    Column("accepted", JSONB(none_as_null=True)),  # [SOP class, transfer syntax]; null: it never answered
    Column("implementation", Text, nullable=False, server_default=""),
    moment("seen_at", nullable=True),
    moment("changed_at", nullable=True),  # when it first answered as it last did
    moment("tried_at"),
    Column("error", Text, nullable=False, server_default=""),  # why the last attempt saw nothing
    Column("commits", Boolean),  # whether it takes storage commitment; null: it was not asked
)

paused = Table(
    "paused",
    metadata,
    Column("kind", Text, nullable=False),  # domain.pauses.Held
    Column("name", Text, nullable=False),
    moment("since"),
    Column("reason", Text, nullable=False),
    Column("paused_by", Text, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
)

model_packages = Table(
    "model_packages",
    metadata,
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the package that was the first to bear this name and version
    moment("first_seen"),
    Column("words", JSONB(none_as_null=True)),  # domain.vocabulary.Vocabulary; null until a worker has had the package
    PrimaryKeyConstraint("name", "version"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("envelope", JSONB, nullable=False),
    Index(None, "event_id"),
    Index(None, "key"),
)

offsets = Table(
    "offsets",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("reader", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    moment("handled_at"),
    PrimaryKeyConstraint("reader", "event_id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("reader", Text, nullable=False),
    Column("message", Text, nullable=False),  # the envelope as it arrived, whether it can be read or not
    Column("event_id", Uuid),
    Column("study_id", Uuid),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    moment("at"),
    moment("replayed_at", nullable=True),
    Index("ix_dead_letters_open", "study_id", postgresql_where=text("replayed_at is null")),
)

# In parts, each of a range of numbers (store.trail_parts); an index of it is one of each part.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),  # canonical JSON (RFC 8785)
    Column("hash", LargeBinary, nullable=False),  # SHA-256 over the previous hash and the entry
    *(
        Index(f"ix_audit_entries_{name}", text(words), postgresql_where=trail_words.among(name))
        for name, words in trail_words.INDEXES.items()
    ),
    postgresql_partition_by="RANGE (number)",
)
