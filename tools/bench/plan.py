"""How much is measured, how often, and what must come out."""

from dataclasses import dataclass, replace

MIB = 1 << 20


@dataclass(frozen=True)
class Plan:
    """The sizes of one run. `size` in bytes, `load_seconds` in seconds.

    `rounds` of the cheap measurements, `transfer_rounds` of those that move images or start
    servers; the others count requests of one round.
    """

    size: int = 2048 * MIB
    rounds: int = 5
    transfer_rounds: int = 3
    images: int = 10_000
    page: int = 1000
    small_page: int = 25
    lists: int = 3
    small_lists: int = 20
    shows: int = 100
    creates: int = 50
    load_seconds: float = 5
    quick: bool = False

    @property
    def small_size(self) -> int:
        """The smaller image whose memory is compared with that of the large one, in bytes."""
        return max(MIB, self.size // 8)

    @property
    def volume_size(self) -> int:
        """The image that goes into a volume, in bytes: one and a half of the others."""
        return self.size + self.size // 2

    def with_rounds(self, rounds: int) -> "Plan":
        """The plan with every measurement done `rounds` times."""
        return replace(self, rounds=rounds, transfer_rounds=rounds)


#: Sizes that show within a minute whether all works; no target can be judged by them.
QUICK = Plan(
    size=64 * MIB,
    rounds=1,
    transfer_rounds=1,
    images=500,
    page=100,
    lists=2,
    small_lists=5,
    shows=20,
    creates=10,
    load_seconds=0.5,
    quick=True,
)


@dataclass(frozen=True)
class Goal:
    """What a figure of Calotype must be beside a peer's: a ratio, at least or at most.

    At least: how many times better. At most: how large a part of the peer's cost. Neither: the
    ratio is only shown.
    """

    peer: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Figure:
    """One number of a measurement. `limit`: what ours may be at most, whatever the peers'."""

    key: str
    title: str
    unit: str
    goals: tuple[Goal, ...] = ()
    more_is_better: bool = False
    limit: float | None = None


def rate(*goals: Goal) -> Figure:
    """Bytes a second."""
    return Figure("rate", "", "MB/s", goals, more_is_better=True)


def cost(*goals: Goal) -> Figure:
    """The server's CPU time."""
    return Figure("cpu", "server CPU", "s/GiB", goals)


def to_backend(kind: str, at_least: float) -> tuple[Figure, ...]:
    """What an upload to a backend is judged by."""
    peer = f"glance-{kind}"
    return (
        rate(Goal(peer, at_least=at_least)),
        cost(Goal(peer)),
        Figure("growth", "memory growth", "MiB", (Goal(peer),), limit=64),
        Figure("resizes", "calls to resize", "calls", limit=0),
    )


def of_client() -> tuple[Figure, ...]:
    """What a command line of our client is judged by, beside those of the released ones."""
    released = ("openstackclient", "glanceclient")
    return (
        Figure("time", "", "s", tuple(Goal(peer, at_least=1.5) for peer in released)),
        Figure("cpu", "client CPU", "s", tuple(Goal(peer, at_most=0.6) for peer in released)),
        Figure("server", "server CPU", "s", tuple(Goal(peer) for peer in released)),
    )


#: What each measurement is judged by, in the order of the report.
FIGURES: dict[str, tuple[Figure, ...]] = {
    "upload": (
        rate(Goal("glance", at_least=2.3), Goal("bare", at_least=0.9)),
        cost(Goal("glance"), Goal("bare")),
    ),
    "upload-four": (rate(Goal("glance", at_least=1.15)), cost(Goal("glance"))),
    "download": (
        rate(Goal("glance", at_least=1.3), Goal("nginx", at_least=0.75)),
        cost(Goal("glance", at_most=0.6), Goal("nginx")),
    ),
    "download-eight": (
        rate(Goal("glance", at_least=1.3), Goal("nginx", at_least=0.75)),
        cost(Goal("glance", at_most=0.6), Goal("nginx")),
    ),
    "download-warm": (rate(Goal("calotype", at_least=0.9)), cost(Goal("calotype"))),
    "download-cold": (rate(Goal("glance-cache")), cost(Goal("glance-cache"))),
    "import": (Figure("time", "", "ms", (Goal("glance", at_least=20),)),),
    "copy": (Figure("time", "", "ms", (Goal("glance", at_least=2),)), cost(Goal("glance"))),
    "hash": (rate(Goal("openssl", at_least=0.9)), cost()),
    "upload-rbd": to_backend("rbd", 2),
    "upload-s3": to_backend("s3", 2),
    "upload-swift": to_backend("swift", 1.3),
    "upload-cinder": to_backend("cinder", 1.5),
    "client-create": of_client(),
    "client-save": of_client(),
    "list": (Figure("time", "", "ms", (Goal("glance", at_least=20),)),),
    "list-25": (Figure("time", "", "ms", (Goal("glance", at_least=10),)),),
    "list-walk": (Figure("time", "", "ms", (Goal("glance"),)),),
    "show": (Figure("time", "", "ms", (Goal("glance", at_least=5),)),),
    "show-load": (
        Figure("rate", "", "requests/s", (Goal("glance", at_least=8),), more_is_better=True),
        Figure("cpu", "server CPU", "ms/request", (Goal("glance"),)),
    ),
    "create": (Figure("time", "", "ms", (Goal("glance", at_least=3),)),),
    "start": (Figure("time", "", "ms", (Goal("glance", at_most=0.4),)),),
    "memory": (Figure("idle", "", "MiB", (Goal("glance", at_most=0.6),)),),
    "memory-four": (
        Figure("peak", "peak", "MiB", (Goal("glance", at_most=0.6),)),
        Figure("growth", "growth per upload", "MiB", (Goal("glance"),), limit=16),
        Figure("small", "growth per upload of 1/8 the size", "MiB", (Goal("glance"),), limit=16),
    ),
}
