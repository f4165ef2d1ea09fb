"""The list of images over HTTP: filters, order, pages, and who sees what."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.api.cases import (
    NOWHERE,
    Client,
    Site,
    on_each_engine,
)

# -- filters -------------------------------------------------------------------------------------

#: The images that the filters choose from, by a letter. All of one owner, in this order.
IMAGES: dict[str, dict[str, Any]] = {
    "a": {"name": "alpha", "disk_format": "raw", "min_ram": 1, "tags": ["x"], "os": "debian"},
    "b": {"name": "beta, gamma", "disk_format": "qcow2", "min_ram": 2, "tags": ["x", "y"]},
    "c": {"name": 'say "c"', "container_format": "bare", "min_disk": 3, "os": "Plan 9"},
    "d": {"name": "", "protected": True, "os": "", "äö": "ü"},
    "e": {"container_format": "ovf", "min_disk": 5, "min_ram": 5, "tags": ["y", "z z", "ä"]},
    "f": {"name": "in:alpha", "os_hidden": False, "properties": "p", "size_of": "s"},
    "g": {"name": "alpha", "disk_format": "iso", "checksum_min": "1", "virtual_size": None},
    "h": {"name": "hidden", "os_hidden": True, "disk_format": "raw"},
}
IMAGES["g"].pop("virtual_size")

#: A query, unquoted, and the letters of the images that it finds.
FOUND = [
    ("", "abcdefg"),
    ("name=alpha", "ag"),
    ("name=beta, gamma", "b"),
    ("name=eq:alpha", "ag"),
    ("name=eq:beta, gamma", "b"),
    ('name=eq:say "c"', "c"),
    ("name=eq:in:alpha", "f"),
    ("name=eq:", "d"),
    ("name=", "d"),
    ("name=in:alpha", "ag"),
    ("name=in:alpha,nothing", "ag"),
    ('name=in:alpha,"beta, gamma"', "abg"),
    ('name=in:"say ""c""",alpha', "acg"),
    ("name=in:", "d"),
    ("name=in:alpha,", "adg"),
    ("name=nobody", ""),
    ("name=alpha&name=nobody", ""),
    ("name=nobody&name=alpha", "ag"),
    ("name=alpha' OR '1'='1", ""),
    ("name=%", ""),
    ("name=a_pha", ""),
    ("disk_format=raw", "a"),
    ("disk_format=in:raw,qcow2", "ab"),
    ("disk_format=none", ""),
    ("container_format=bare", "c"),
    ("container_format=in:bare,ovf", "ce"),
    ("status=queued", "abcdefg"),
    ("status=in:queued,active", "abcdefg"),
    ("status=active", ""),
    ("status=deleted", ""),
    ("status=killed", ""),
    ("status=nonsense", ""),
    ("deleted=true", "abcdefg"),
    ("deleted=false", "abcdefg"),
    ("id=nonsense", ""),
    ("protected=true", "d"),
    ("protected=false", "abcefg"),
    ("os_hidden=true", "h"),
    ("os_hidden=TRUE", "h"),
    ("os_hidden=False", "abcdefg"),
    ("os_hidden=true&disk_format=raw", "h"),
    ("os_hidden=true&visibility=all", "h"),
    ("min_ram=5", "e"),
    ("min_ram_min=2", "be"),
    ("min_ram_min=1&min_ram_max=2", "ab"),
    ("min_ram_min=-7", "abcdefg"),
    ("min_ram_max=99999999999999999999999999", "abcdefg"),
    ("min_ram_min=99999999999999999999999999", ""),
    ("min_ram=2147483648", ""),
    ("min_ram=9223372036854775807", ""),
    ("min_disk=3", "c"),
    ("min_disk_min=3", "ce"),
    ("min_disk_max=2", "abdfg"),
    ("size=0", ""),
    ("size_min=0", ""),
    ("size_max=9223372036854775808", ""),
    ("tag=x", "ab"),
    ("tag=x&tag=y", "b"),
    ("tag=y&tag=y", "be"),
    ("tag=z z", "e"),
    ("tag=ä", "e"),
    ("tag=nothing", ""),
    ("tag=", ""),
    (f"tag={'t' * 300}", ""),
    ("owner=ours", "abcdefg"),
    ("owner=theirs", ""),
    ("owner=", ""),
    ("checksum=8d777f385d3dfec8815d20f7496026dc", ""),
    ("os_hash_algo=sha512", ""),
    ("os_hash_value=abc", ""),
    ("os=debian", "a"),
    ("os=Plan 9", "c"),
    ("os=", "d"),
    ("os=debian&tag=x&name=alpha", "a"),
    ("os=debian&os=Plan 9", "c"),
    ("äö=ü", "d"),
    ("properties=p", "f"),
    ("size_of=s", "f"),
    ("checksum_min=1", "g"),
    ("xyz_min=1", ""),
    ("locations=1", ""),
    ("members=1", ""),
    ("nothing=1", ""),
    ("nothing=", ""),
    ("visibility=shared", "abcdefg"),
    ("visibility=private", ""),
    ("visibility=public&visibility=all", "abcdefg"),
    ("visibility=all", "abcdefg"),
    ("member_status=all", "abcdefg"),
    ("member_status=rejected", "abcdefg"),
    ("created_at=gt:2000-01-01T00:00:00Z", "abcdefg"),
    ("created_at=lt:2000-01-01T00:00:00Z", ""),
    ("created_at=lt:9999-12-31T23:59:59Z", "abcdefg"),
    ("created_at=gte:1000-01-01", "abcdefg"),
    ("created_at=gte:0001-01-01T00:00:00", "abcdefg"),
    ("created_at=2000-01-01T00:00:00Z", ""),
    ("created_at=eq:2000-01-01T00:00:00+02:00", ""),
    ("created_at=neq:2000-01-01T00:00:00.123456Z", "abcdefg"),
    ("updated_at=gte:2000-01-01T00:00:00Z", "abcdefg"),
    ("updated_at=lte:20000101T000000Z", ""),
    ("limit=2", "fg"),
    ("limit=0", ""),
    ("limit=1000000", "abcdefg"),
    ("limit=99999999999999999999999999", "abcdefg"),
    ("limit=2&limit=1", "g"),
]


def _queries(cases: list[Any]) -> Iterator[str]:
    for unquoted, *_ in cases:
        pairs = [pair.partition("=") for pair in unquoted.split("&") if pair]
        yield urlencode([(name, value) for name, _, value in pairs])


@on_each_engine
def test_filters(member: Client) -> None:
    letters = {member.create(**fields): letter for letter, fields in IMAGES.items()}
    _age(member.site, letters)
    for (unquoted, expected), query in zip(FOUND, _queries(FOUND), strict=True):
        found = "".join(sorted(letters[image_id] for image_id in member.ids(query)))
        assert found == expected, unquoted


def _age(site: Site, image_ids: Iterable[str]) -> None:
    """Make each image a second older than the next, so that their order is that of their making."""
    with site.parts.database.writing() as connection:
        for number, image_id in enumerate(image_ids):
            connection.exec_driver_sql(
                f"UPDATE images SET created_at = '2026-01-01 00:00:{number:02}.000000'"
                f" WHERE id = '{image_id}'"
            )


@on_each_engine
def test_filters_of_what_data_brings(member: Client) -> None:
    small, large = member.create_active(b"1"), member.create_active(b"large")
    queued = member.create()
    image = member.image(large)
    found = {
        "size=5": [large],
        "size_min=1": [small, large],
        "size_min=2": [large],
        "size_max=4": [small],
        "size_min=1&size_max=1": [small],
        "size_min=5&size_max=1": [],
        "status=active": [small, large],
        "status=in:active,queued": [small, large, queued],
        "status=queued": [queued],
        f"checksum={image['checksum']}": [large],
        f"os_hash_value={image['os_hash_value']}": [large],
        "os_hash_algo=sha512": [small, large],
        "os_hash_algo=md5": [],
        f"id={small}": [small],
        f"id=in:{small},{queued},{NOWHERE}": [small, queued],
    }
    for query, expected in found.items():
        assert set(member.ids(query)) == set(expected), query


@on_each_engine
def test_times_are_compared_to_the_second(member: Client) -> None:
    image_id = member.create()
    moment = member.image(image_id)["created_at"]
    year = int(moment[:4])
    for query, is_found in {
        f"created_at={moment}": True,
        f"created_at=eq:{moment}": True,
        f"created_at=neq:{moment}": False,
        f"created_at=gte:{moment}": True,
        f"created_at=lte:{moment}": True,
        f"created_at=gt:{moment}": False,
        f"created_at=lt:{moment}": False,
        f"created_at=gt:{year - 1}{moment[4:]}": True,
        f"created_at={quote(moment.replace('Z', '+00:00'))}": True,
        f"created_at={quote(moment.replace('Z', '-01:00'))}": False,
        f"created_at={moment.removesuffix('Z')}": True,
    }.items():
        assert (member.ids(query) == [image_id]) is is_found, query


#: A query, as it is sent, and what the message says.
REFUSED = [
    ("limit=-1", "limit: must be 0 or more"),
    ("limit=x", "limit: must be a whole number"),
    ("limit=", "limit"),
    ("limit=1.0", "limit"),
    ("limit=1e3", "limit"),
    ("limit=-", "limit"),
    ("limit=--1", "limit"),
    ("limit=%D9%A3", "limit: must be a whole number"),
    ("limit=%C2%B2", "limit"),
    ("size_min=1e3", "size_min: must be a whole number"),
    ("size_max=", "size_max"),
    ("size=big", "size"),
    ("min_ram_min=0x10", "min_ram_min"),
    ("min_disk_max=%D9%A3", "min_disk_max"),
    ("min_disk=1_000", "min_disk"),
    (f"marker={NOWHERE}", "marker: no image with the id"),
    ("marker=", "marker"),
    ("marker=x", "marker"),
    ("sort=nothing", "sort: cannot sort by 'nothing'"),
    ("sort=", "sort"),
    ("sort=name,", "sort"),
    ("sort=name:up", "sort: the direction is asc or desc, not 'up'"),
    ("sort=name:asc:desc", "sort"),
    ("sort=owner", "sort"),
    ("sort=name&sort_key=id", "sort: cannot be combined"),
    ("sort=name&sort_dir=asc", "sort: cannot be combined"),
    ("sort_key=deleted", "sort_key: cannot sort by"),
    ("sort_key=", "sort_key"),
    ("sort_dir=up", "sort_dir"),
    ("sort_key=name&sort_dir=up", "asc or desc"),
    ("sort_key=name&sort_dir=asc&sort_dir=desc", "sort_dir: give one"),
    ("sort_key=name&sort_key=id&sort_key=size&sort_dir=asc&sort_dir=asc", "sort_dir: give one"),
    ("visibility=secret", "visibility: must be one of"),
    ("visibility=", "visibility"),
    ("visibility=Public", "visibility"),
    ("member_status=maybe", "member_status: must be one of"),
    ("os_hidden=1", "os_hidden: must be true or false"),
    ("os_hidden=", "os_hidden"),
    ("protected=True", "protected: must be true or false"),
    ("protected=yes", "protected"),
    ("name=like:x", "name: the operator 'like' is not known"),
    ("id=neq:x", "id: the operator"),
    ("status=gt:queued", "status"),
    ("name=in:%22x", "name: a double quote is not closed"),
    ("name=in:%22a%22b", "name"),
    ("name=in:a%0Db", "name"),
    ("created_at=yesterday", "created_at: must be an ISO 8601 time"),
    ("created_at=", "created_at"),
    ("created_at=gt:", "created_at"),
    ("created_at=like:2000-01-01", "created_at"),
    ("created_at=gt:2000-13-01", "created_at"),
    ("created_at=2000-01-01T25:00:00", "created_at"),
    ("created_at=10000-01-01T00:00:00", "created_at"),
    ("created_at=-001-01-01T00:00:00", "created_at"),
    ("created_at=0001-01-01T00:00:00%2B14:00", "created_at"),
    ("updated_at=9999-12-31T23:59:59-14:00", "updated_at"),
    ("updated_at=2000-01-01T00:00:00%2B99:99", "updated_at"),
    ("updated_at=%D9%A2000-01-01", "updated_at"),
    ("changes-since=2000-01-01", "changes-since: this filter is not supported"),
    ("name=%FF", "not valid UTF-8"),
    ("%FF=x", "not valid UTF-8"),
    ("tag=%C3", "not valid UTF-8"),
    ("name=%ED%A0%80", "not valid UTF-8"),
    ("name=a%00b", "name: the character U+0000"),
    ("%00=x", "U+0000"),
    ("tag=%F0%9F%98%80", "tag: the character U+1F600"),
    ("os=%F0%9F%98%80", "os: the character U+1F600"),
    ("%F0%9F%98%80=x", "the character U+1F600"),
    ("&".join(f"tag=t{n}" for n in range(51)), "no more than 50 tags and properties"),
    ("&".join(f"p{n}=v" for n in range(2000)), "no more than 50 tags and properties"),
    ("name=in:" + ",".join(map(str, range(1001))), "no more than 1000 values"),
]


@pytest.mark.parametrize(("query", "says"), REFUSED, ids=lambda text: text[:40])
def test_the_list_refuses(admin: Client, query: str, says: str) -> None:
    admin.get(f"/v2/images?{query}").gave(400, says)


@on_each_engine
def test_as_many_conditions_as_are_allowed(member: Client) -> None:
    fields = {f"p{n}": "v" for n in range(25)} | {"tags": [f"t{n}" for n in range(25)]}
    image_id = member.create(**fields)
    member.create(**fields | {"p7": "w"})
    query = "&".join([f"p{n}=v&tag=t{n}" for n in range(25)])
    names = ",".join(map(str, range(999)))
    for more in ("", f"&id=in:{image_id},{names}", "&visibility=all", "&sort=size,name,status,id"):
        assert member.ids(query + more) == [image_id]
    other_names = ",".join("x" * 30 + str(n) for n in range(999))
    assert member.ids(f"name=in:{other_names}&id=in:{names}&status=in:{names}") == []


@on_each_engine
def test_a_sort_key_many_times(member: Client) -> None:
    ids = [member.create(name=name) for name in "cab"]
    query = "&".join(["sort_key=name"] * 500 + ["sort_dir=asc"])
    assert member.ids(query) == [ids[1], ids[2], ids[0]]
    assert member.ids(f"{query}&marker={ids[2]}") == [ids[0]]
    assert member.ids("sort=" + ",".join(["name:asc", "name:desc"] * 300)) == [
        ids[1],
        ids[2],
        ids[0],
    ]


@on_each_engine
def test_images_that_were_killed_are_not_listed(member: Client) -> None:
    image_id = member.create()
    with member.site.parts.database.writing() as connection:
        connection.exec_driver_sql("UPDATE images SET status = 'killed'")
    assert member.ids() == []
    assert member.image(image_id)["status"] == "killed"
    member.delete(f"/v2/images/{image_id}").gave(204)
