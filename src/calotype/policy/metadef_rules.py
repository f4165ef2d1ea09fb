"""The rules for metadata definitions: who sees a namespace may read it, admins may write."""

from calotype.policy.rule import (
    METADEF_ADMIN,
    METADEF_DEFAULT,
    METADEF_IN_SIGHT,
    METADEF_READ,
    OWN_READER,
    Operation,
    Rule,
)

_NAMESPACES = "/v2/metadefs/namespaces"
_NAMESPACE = f"{_NAMESPACES}/{{namespace_name}}"
_OBJECTS = f"{_NAMESPACE}/objects"
_OBJECT = f"{_OBJECTS}/{{object_name}}"
_TYPES = f"{_NAMESPACE}/resource_types"
_PROPERTIES = f"{_NAMESPACE}/properties"
_PROPERTY = f"{_PROPERTIES}/{{property_name}}"
_TAGS = f"{_NAMESPACE}/tags"
_TAG = f"{_TAGS}/{{tag_name}}"


def _read(name: str, description: str, path: str) -> Rule:
    """Reading what is inside a namespace that the caller sees."""
    return Rule(
        name=name,
        check=METADEF_READ,
        description=description,
        operations=(("GET", path),),
        legacy=METADEF_DEFAULT,
        owned=METADEF_IN_SIGHT,
    )


def _list(name: str, check: str, description: str, path: str) -> Rule:
    """Listing what belongs to no single namespace."""
    return Rule(
        name=name,
        check=check,
        description=description,
        operations=(("GET", path),),
        legacy=METADEF_DEFAULT,
    )


def _write(name: str, description: str, *operations: Operation) -> Rule:
    return Rule(name=name, check=METADEF_ADMIN, description=description, operations=operations)


RULES = (
    _read(
        "get_metadef_namespace",
        "See a namespace; asked before everything inside it.",
        _NAMESPACE,
    ),
    _list("get_metadef_namespaces", OWN_READER, "List namespaces.", _NAMESPACES),
    _write("modify_metadef_namespace", "Change a namespace.", ("PUT", _NAMESPACE)),
    _write("add_metadef_namespace", "Create a namespace.", ("POST", _NAMESPACES)),
    _write("delete_metadef_namespace", "Delete a namespace.", ("DELETE", _NAMESPACE)),
    _read("get_metadef_object", "See an object of a namespace.", _OBJECT),
    _read("get_metadef_objects", "List the objects of a namespace.", _OBJECTS),
    _write("modify_metadef_object", "Change an object of a namespace.", ("PUT", _OBJECT)),
    _write("add_metadef_object", "Create an object in a namespace.", ("POST", _OBJECTS)),
    _write(
        "delete_metadef_object",
        "Delete one object, or all objects, of a namespace.",
        ("DELETE", _OBJECT),
        ("DELETE", _OBJECTS),
    ),
    _list(
        "list_metadef_resource_types",
        METADEF_READ,
        "List resource types.",
        "/v2/metadefs/resource_types",
    ),
    _read(
        "get_metadef_resource_type",
        "List the resource types that a namespace applies to.",
        _TYPES,
    ),
    _write(
        "add_metadef_resource_type_association",
        "Apply a namespace to a resource type.",
        ("POST", _TYPES),
    ),
    _write(
        "remove_metadef_resource_type_association",
        "Take a namespace away from a resource type.",
        ("DELETE", f"{_TYPES}/{{name}}"),
    ),
    _read("get_metadef_property", "See a property of a namespace.", _PROPERTY),
    _read("get_metadef_properties", "List the properties of a namespace.", _PROPERTIES),
    _write("modify_metadef_property", "Change a property of a namespace.", ("PUT", _PROPERTY)),
    _write("add_metadef_property", "Create a property in a namespace.", ("POST", _PROPERTIES)),
    _write(
        "remove_metadef_property",
        "Delete one property, or all properties, of a namespace.",
        ("DELETE", _PROPERTY),
        ("DELETE", _PROPERTIES),
    ),
    _read("get_metadef_tag", "See a tag of a namespace.", _TAG),
    _read("get_metadef_tags", "List the tags of a namespace.", _TAGS),
    _write("modify_metadef_tag", "Rename a tag of a namespace.", ("PUT", _TAG)),
    _write("add_metadef_tag", "Create a tag in a namespace.", ("POST", _TAG)),
    _write("add_metadef_tags", "Create several tags in a namespace.", ("POST", _TAGS)),
    _write("delete_metadef_tag", "Delete a tag of a namespace.", ("DELETE", _TAG)),
    _write("delete_metadef_tags", "Delete all tags of a namespace.", ("DELETE", _TAGS)),
)
