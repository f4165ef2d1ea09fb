"""The list of versions, and the canonical path of a request."""

from functools import partial

import pytest

from calotype.api import versions

route = partial(versions.route, caching=True, multi_store=True)


def ids(*, caching: bool, multi_store: bool) -> str:
    listed = versions.document("http://h", caching=caching, multi_store=multi_store)["versions"]
    return " ".join(entry["id"].removeprefix("v2.") for entry in listed)


@pytest.mark.parametrize(
    ("caching", "multi_store", "expected"),
    [
        (True, True, "18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0"),
        (False, True, "15 13 12 11 10 9 8 17 7 6 5 4 3 2 1 0"),
        (True, False, "18 17 16 15 14 13 12 9 7 6 5 4 3 2 1 0"),
        (False, False, "15 13 12 9 17 7 6 5 4 3 2 1 0"),
    ],
)
def test_the_list_names_the_minors_of_the_site(
    caching: bool, multi_store: bool, expected: str
) -> None:
    assert ids(caching=caching, multi_store=multi_store) == expected


@pytest.mark.parametrize(("caching", "current"), [(True, "v2.18"), (False, "v2.17")])
@pytest.mark.parametrize("multi_store", [True, False])
def test_just_the_newest_is_current(caching: bool, current: str, multi_store: bool) -> None:
    listed = versions.document("http://h", caching=caching, multi_store=multi_store)["versions"]

    assert [entry["id"] for entry in listed if entry["status"] == "CURRENT"] == [current]
    assert {entry["status"] for entry in listed} == {"CURRENT", "SUPPORTED"}


@pytest.mark.parametrize("base", ["https://images.example/os", "https://images.example/os/"])
def test_all_versions_link_to_one_place(base: str) -> None:
    listed = versions.document(base, caching=True, multi_store=True)["versions"]

    link = {"rel": "self", "href": "https://images.example/os/v2/"}
    assert all(entry["links"] == [link] for entry in listed)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/images", "/v2/images"),
        ("/v2/images/", "/v2/images/"),
        ("/v2/anything", "/v2/anything"),
        ("/v2.0/images", "/v2/images"),
        ("/v2.7/images/1/file", "/v2/images/1/file"),
        ("/v2.18/schemas/image", "/v2/schemas/image"),
        ("/versions", "/versions"),
        ("/healthcheck", "/healthcheck"),
    ],
)
def test_a_version_in_the_path_becomes_v2(path: str, expected: str) -> None:
    assert route(path, None) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v2",
        "/v2/",
        "/v2.7",
        "/v2.7/",
        "/v3/images",
        "/v1/images",
        "/v2.19/images",
        "/v2.07/images",
        "/V2/images",
        "/images",
        "/v2images",
        "//v2/images",
        "/versions/more",
    ],
)
def test_what_names_no_endpoint_gets_the_list(path: str) -> None:
    assert route(path, None) is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/vnd.openstack.images-v2", "/v2/images"),
        ("application/vnd.openstack.images-v2.7", "/v2/images"),
        ("application/json, application/vnd.openstack.images-v2.7;q=0.5", "/v2/images"),
        ("application/vnd.openstack.images-v2.19", None),
        ("application/vnd.openstack.images-v1", None),
        ("application/vnd.openstack.images-", None),
        ("application/json", None),
        ("text/application/vnd.openstack.images-v2", None),
        ("", None),
    ],
)
def test_a_path_without_version_goes_by_accept(accept: str, expected: str | None) -> None:
    assert route("/images", accept) == expected


def test_the_version_in_the_path_wins_over_accept() -> None:
    assert route("/v2.1/images", "application/vnd.openstack.images-v2.7") == "/v2/images"
    assert route("/v2/images", "application/vnd.openstack.images-v9") == "/v2/images"


def test_the_root_is_the_list_whatever_accept_says() -> None:
    assert route("/", "application/vnd.openstack.images-v2.7") is None


@pytest.mark.parametrize(
    ("minor", "caching", "multi_store"),
    [
        (8, False, True),
        (10, False, True),
        (11, False, True),
        (14, True, False),
        (16, True, False),
        (18, True, False),
    ],
)
def test_some_minors_need_a_cache_or_several_stores(
    minor: int, caching: bool, multi_store: bool
) -> None:
    path = f"/v2.{minor}/images"

    needed = versions.route(path, None, caching=caching, multi_store=multi_store)
    neither = versions.route(path, None, caching=False, multi_store=False)

    assert (needed, neither) == ("/v2/images", None)


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 15, 17])
def test_the_other_minors_are_spoken_everywhere(minor: int) -> None:
    path = f"/v2.{minor}/images"

    assert versions.route(path, None, caching=False, multi_store=False) == "/v2/images"
