"""The names of an image's fields: which are ours, which a caller may write, which are reserved."""

#: Fields of the image itself that a caller may set.
WRITABLE = frozenset(
    {
        "name",
        "visibility",
        "protected",
        "tags",
        "min_disk",
        "min_ram",
        "os_hidden",
        "container_format",
        "disk_format",
        "owner",
    }
)

#: Fields of the image that only the service sets. `id` may be given on create.
READ_ONLY = frozenset(
    {
        "id",
        "status",
        "size",
        "virtual_size",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "created_at",
        "updated_at",
        "direct_url",
        "self",
        "file",
        "schema",
        "stores",
    }
)

#: Names nobody may use for a property.
RESERVED = frozenset({"location", "locations", "deleted", "deleted_at"})

#: Properties with this prefix belong to the service.
OURS = "os_glance"

#: Properties that never leave the service.
HIDDEN = frozenset({"os_glance_stage_host", "os_glance_hash_op_host"})


def refuse_reason(name: str) -> str | None:
    """Why a caller may not set the field `name`, or None when it may."""
    if name in READ_ONLY:
        return f"'{name}' is read-only: leave it out"
    if name in RESERVED or name.startswith(OURS):
        return f"'{name}' is reserved for the service: choose another name"
    return None
