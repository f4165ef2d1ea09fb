"""The schema: Glance's tables as they are at its head revision, and our own.

`glance` holds what both services share and must stay as it is; the names of tables, columns,
constraints and indexes are the contract. `own` holds tables of ours, prefix `calotype_`.
All times are naive UTC. On MariaDB a plain DATETIME has whole seconds only.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

glance = MetaData()
own = MetaData()

#: SQLite gives only an INTEGER primary key its own numbers.
BIG_ID = BigInteger().with_variant(Integer, "sqlite")
#: A boolean that engines without such a type guard with CHECK (… IN (0, 1)).
FLAG = Boolean(create_constraint=True)
#: A moment with its microseconds, on every engine.
EXACTLY = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _table(name: str, *items: SchemaItem) -> Table:
    # Glance's own tables are three-byte utf8 on MariaDB; a fresh database must not differ.
    return Table(name, glance, *items, mysql_engine="InnoDB", mysql_charset="utf8mb3")


def _times() -> list[Column[object]]:
    return [Column("created_at", DateTime, nullable=False), Column("updated_at", DateTime)]


def _soft_delete() -> list[Column[object]]:
    return [
        *_times(),
        Column("deleted_at", DateTime),
        Column("deleted", Boolean(create_constraint=True), nullable=False),
    ]


def _image_id() -> Column[object]:
    return Column("image_id", String(36), ForeignKey("images.id"), nullable=False)


def _namespace_id() -> Column[object]:
    return Column("namespace_id", Integer, ForeignKey("metadef_namespaces.id"), nullable=False)


# -- images --------------------------------------------------------------------------------------

images = _table(
    "images",
    Column("id", String(36), primary_key=True),
    Column("name", String(255)),
    Column("disk_format", String(20)),
    Column("container_format", String(20)),
    Column("size", BIG_ID),
    Column("virtual_size", BIG_ID),
    Column("status", String(30), nullable=False),
    Column(
        "visibility",
        Enum("private", "public", "shared", "community", name="image_visibility"),
        nullable=False,
        server_default="shared",
    ),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("owner", String(255)),
    Column("protected", Boolean, nullable=False, server_default=false()),
    Column("os_hidden", Boolean, nullable=False, server_default=false()),
    *_times(),
    Column("deleted_at", DateTime),
    Column("deleted", Boolean, nullable=False),
    # Of all the flags of an image Glance's MariaDB tables guard these two, its SQLite ones none.
    CheckConstraint("deleted IN (0, 1)").ddl_if(dialect="mysql"),
    CheckConstraint("protected IN (0, 1)").ddl_if(dialect="mysql"),
    Index("checksum_image_idx", "checksum"),
    Index("created_at_image_idx", "created_at"),
    Index("updated_at_image_idx", "updated_at"),
    Index("owner_image_idx", "owner"),
    Index("visibility_image_idx", "visibility"),
    Index("os_hidden_image_idx", "os_hidden"),
    Index("os_hash_value_image_idx", "os_hash_value"),
    Index("ix_images_deleted", "deleted"),
)

image_properties = _table(
    "image_properties",
    Column("id", Integer, primary_key=True),
    _image_id(),
    Column("name", String(255), nullable=False),
    Column("value", Text),
    *_soft_delete(),
    UniqueConstraint("image_id", "name", name="ix_image_properties_image_id_name"),
    Index("ix_image_properties_deleted", "deleted"),
    Index("ix_image_properties_image_id", "image_id"),
)

image_tags = _table(
    "image_tags",
    Column("id", Integer, primary_key=True),
    _image_id(),
    Column("value", String(255), nullable=False),
    *_soft_delete(),
    Index("ix_image_tags_image_id", "image_id"),
    Index("ix_image_tags_image_id_tag_value", "image_id", "value"),
)

image_locations = _table(
    "image_locations",
    Column("id", Integer, primary_key=True),
    _image_id(),
    Column("value", Text, nullable=False),
    Column("meta_data", Text),
    Column("status", String(30), nullable=False, server_default="active"),
    *_soft_delete(),
    Index("ix_image_locations_deleted", "deleted"),
    Index("ix_image_locations_image_id", "image_id"),
)

image_members = _table(
    "image_members",
    Column("id", Integer, primary_key=True),
    _image_id(),
    Column("member", String(255), nullable=False),
    Column("can_share", FLAG, nullable=False),
    Column("status", String(20), nullable=False, server_default="pending"),
    *_soft_delete(),
    UniqueConstraint(
        "image_id", "member", "deleted_at", name="image_members_image_id_member_deleted_at_key"
    ),
    Index("ix_image_members_deleted", "deleted"),
    Index("ix_image_members_image_id", "image_id"),
    Index("ix_image_members_image_id_member", "image_id", "member"),
)

# -- tasks ---------------------------------------------------------------------------------------

tasks = _table(
    "tasks",
    Column("id", String(36), primary_key=True),
    Column("type", String(30), nullable=False),
    Column("status", String(30), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("expires_at", DateTime),
    Column("image_id", String(36)),
    Column("request_id", String(64)),
    Column("user_id", String(64)),
    *_soft_delete(),
    Index("ix_tasks_deleted", "deleted"),
    Index("ix_tasks_image_id", "image_id"),
    Index("ix_tasks_owner", "owner"),
    Index("ix_tasks_status", "status"),
    Index("ix_tasks_type", "type"),
    Index("ix_tasks_updated_at", "updated_at"),
)

task_info = _table(
    "task_info",
    Column("task_id", String(36), ForeignKey("tasks.id"), primary_key=True),
    Column("input", Text),
    Column("result", Text),
    Column("message", Text),
)

# -- the image cache -----------------------------------------------------------------------------

node_reference = _table(
    "node_reference",
    Column("node_reference_id", BIG_ID, primary_key=True),
    Column("node_reference_url", String(255), nullable=False),
    UniqueConstraint("node_reference_url", name="uq_node_reference_node_reference_url"),
)

cached_images = _table(
    "cached_images",
    Column("id", BIG_ID, primary_key=True),
    Column("image_id", String(36), nullable=False),
    Column("last_accessed", DateTime, nullable=False),
    Column("last_modified", DateTime, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("checksum", String(32)),
    Column(
        "node_reference_id",
        BIG_ID,
        ForeignKey("node_reference.node_reference_id"),
        nullable=False,
    ),
    UniqueConstraint(
        "image_id", "node_reference_id", name="ix_cached_images_image_id_node_reference_id"
    ),
)

# -- metadata definitions ------------------------------------------------------------------------

metadef_namespaces = _table(
    "metadef_namespaces",
    Column("id", Integer, primary_key=True),
    Column("namespace", String(80), nullable=False),
    Column("display_name", String(80)),
    Column("description", Text),
    Column("visibility", String(32)),
    Column("protected", FLAG),
    Column("owner", String(255), nullable=False),
    *_times(),
    UniqueConstraint("namespace", name="uq_metadef_namespaces_namespace"),
    Index("ix_metadef_namespaces_owner", "owner"),
)

metadef_resource_types = _table(
    "metadef_resource_types",
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("protected", FLAG, nullable=False),
    *_times(),
    UniqueConstraint("name", name="uq_metadef_resource_types_name"),
)

metadef_namespace_resource_types = _table(
    "metadef_namespace_resource_types",
    Column("resource_type_id", Integer, ForeignKey("metadef_resource_types.id"), primary_key=True),
    Column("namespace_id", Integer, ForeignKey("metadef_namespaces.id"), primary_key=True),
    Column("properties_target", String(80)),
    Column("prefix", String(80)),
    *_times(),
    Index("ix_metadef_ns_res_types_namespace_id", "namespace_id"),
)

metadef_objects = _table(
    "metadef_objects",
    Column("id", Integer, primary_key=True),
    _namespace_id(),
    Column("name", String(80), nullable=False),
    Column("description", Text),
    Column("required", Text),
    Column("json_schema", Text, nullable=False),
    *_times(),
    UniqueConstraint("namespace_id", "name", name="uq_metadef_objects_namespace_id_name"),
    Index("ix_metadef_objects_name", "name"),
)

metadef_properties = _table(
    "metadef_properties",
    Column("id", Integer, primary_key=True),
    _namespace_id(),
    Column("name", String(80), nullable=False),
    Column("json_schema", Text, nullable=False),
    *_times(),
    UniqueConstraint("namespace_id", "name", name="uq_metadef_properties_namespace_id_name"),
    Index("ix_metadef_properties_name", "name"),
)

metadef_tags = _table(
    "metadef_tags",
    Column("id", Integer, primary_key=True),
    _namespace_id(),
    Column("name", String(80), nullable=False),
    *_times(),
    UniqueConstraint("namespace_id", "name", name="uq_metadef_tags_namespace_id_name"),
    Index("ix_metadef_tags_name", "name"),
)

# -- our own -------------------------------------------------------------------------------------

#: Who does something that only one process may do at a time, and until when.
calotype_leases = Table(
    "calotype_leases",
    own,
    Column("name", String(255), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", EXACTLY, nullable=False),
    Index("ix_calotype_leases_expires_at", "expires_at"),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)

#: What is needed to run a task that has not ended. `slot`: what only one task may do at a time.
calotype_task_runs = Table(
    "calotype_task_runs",
    own,
    Column("task_id", String(36), primary_key=True),
    Column("job", String(30), nullable=False),
    Column("slot", String(64)),
    Column("attempts", Integer, nullable=False),
    Column("undo", Text, nullable=False),
    Column("created_at", EXACTLY, nullable=False),
    UniqueConstraint("slot", name="uq_calotype_task_runs_slot"),
    Index("ix_calotype_task_runs_created_at", "created_at"),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)
