"""The measurements: what each does, to which servers, and how it is called."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.bench import shell
from tools.bench.measurements import (
    Bench,
    Work,
    cold_downloads,
    create,
    download,
    listing,
    memory,
    memory_of_uploads,
    show,
    show_load,
    small_listing,
    start,
    store_one,
    store_small,
    upload,
    upload_to_store,
    walk,
    warm_store,
    warm_up,
    warm_uploads,
)
from tools.bench.peers import Peer
from tools.bench.work import copied, hashed, imported

#: How Calotype is measured: as it is by default, and with cheaper digests.
OURS = ("calotype", "calotype-no-md5", "calotype-sha256")
#: Calotype with an image cache.
CACHED = ("calotype-cache",)
#: Programs that people type: ours, and those released by others.
CLIENTS = ("calotype-client", "openstackclient", "glanceclient")


@dataclass(frozen=True)
class Measurement:
    """One measurement. `prepare` is done once per server before the first round, and not measured.

    `transfers`: it moves images or starts servers, and has fewer rounds. `alone`: no other server
    may run beside the one measured, which it starts itself. `ours`: the subjects that are Calotype;
    the first one is judged. `backend`: where the image goes, if not to files.
    """

    name: str
    title: str
    work: Work
    subjects: tuple[str, ...] = ("calotype", "glance")
    prepare: Callable[[Bench, Peer], None] = lambda bench, peer: None
    transfers: bool = False
    alone: bool = False
    ours: tuple[str, ...] = OURS
    backend: str | None = None


def _to_backend(kind: str, called: str, size: str = "size") -> "Measurement":
    ours = f"calotype-{kind}"
    return Measurement(
        f"upload-{kind}",
        f"upload to {called}, one of {{{size}}}",
        upload_to_store,
        (ours, f"glance-{kind}"),
        prepare=warm_store,
        transfers=True,
        ours=(ours,),
        backend=kind,
    )


#: All of them, in the order of the report.
MEASUREMENTS = (
    Measurement("start", "start to first answer", start, transfers=True, alone=True),
    Measurement("memory", "memory at rest", memory, transfers=True, alone=True),
    Measurement(
        "memory-four",
        "memory, four uploads of {size}",
        memory_of_uploads,
        transfers=True,
        alone=True,
    ),
    Measurement("list", "list, one page of {page}", listing, prepare=warm_up),
    Measurement("list-25", "list, one page of {small_page}", small_listing, prepare=warm_up),
    Measurement("list-walk", "list, {images} by pages of {page}", walk, prepare=warm_up),
    Measurement("show", "show", show, prepare=warm_up),
    Measurement("show-load", "show, 8 clients", show_load, prepare=warm_up),
    Measurement("create", "create", create, prepare=warm_up),
    Measurement(
        "upload",
        "upload, one of {size}",
        upload(1),
        (*OURS, "glance", "bare"),
        prepare=warm_uploads,
        transfers=True,
    ),
    Measurement(
        "upload-four",
        "upload, four of {size}",
        upload(4),
        (*OURS, "glance"),
        prepare=warm_uploads,
        transfers=True,
    ),
    Measurement(
        "download",
        "download, one of {size}",
        download(1),
        ("calotype", "glance", "nginx"),
        prepare=store_one,
        transfers=True,
    ),
    Measurement(
        "download-eight",
        "download, eight of {size}",
        download(8),
        ("calotype", "glance", "nginx"),
        prepare=store_one,
        transfers=True,
    ),
    Measurement(
        "download-warm",
        "download from the cache, one of {size}",
        download(1),
        ("calotype-cache", "calotype"),
        prepare=store_one,
        transfers=True,
        ours=CACHED,
    ),
    Measurement(
        "download-cold",
        "32 downloads past an empty cache, of {small_size}",
        cold_downloads(32),
        ("calotype-cache", "glance-cache"),
        prepare=store_small,
        transfers=True,
        ours=CACHED,
    ),
    Measurement(
        "import",
        "import of {size} that is staged",
        imported,
        prepare=warm_uploads,
        transfers=True,
    ),
    Measurement(
        "copy",
        "copy of {size} to a second file store",
        copied,
        prepare=warm_uploads,
        transfers=True,
    ),
    Measurement(
        "hash",
        "digests of {size}, md5 and sha512",
        hashed(),
        ("calotype", "openssl"),
        transfers=True,
    ),
    Measurement(
        "client-create",
        "image create of {size} at a shell",
        shell.create,
        CLIENTS,
        prepare=shell.warm,
        transfers=True,
        ours=CLIENTS[:1],
    ),
    Measurement(
        "client-save",
        "image save of {size} at a shell",
        shell.save,
        CLIENTS,
        prepare=shell.store_and_warm,
        transfers=True,
        ours=CLIENTS[:1],
    ),
    _to_backend("rbd", "RBD"),
    _to_backend("s3", "S3 (radosgw)"),
    _to_backend("swift", "Swift"),
    _to_backend("cinder", "Cinder", "volume_size"),
)
