"""Prometheus metrics, in a registry of their own so that two apps in one process do not share numbers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What an operator watches: requests, the queue, batches, and where a photo's time goes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "haja_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self.request_seconds = Histogram(
            "haja_request_seconds", "Seconds from request to answer.", ["method", "route"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self.failed_sign_ins = Counter(
            "haja_failed_sign_ins", "Sign-ins and keys that were refused.", ["way"], registry=self._registry
        )
        self.photos_in_work = Gauge("haja_photos_in_work", "Photos being decoded or embedded.", registry=self._registry)
        self.queue_depth = Gauge(
            "haja_embedder_queue_depth", "Photos waiting for the network.", registry=self._registry
        )
        self.batch_size = Histogram(
            "haja_embedder_batch_size",
            "Photos in one forward pass.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )
        self._stage_seconds = Histogram(
            "haja_stage_seconds", "Seconds of one photo in one stage (embed: of one batch).", ["stage"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip

    def stage(self, name: str) -> Histogram:
        """The histogram of seconds in a stage: decode, queue, embed, score or store."""
        return self._stage_seconds.labels(name)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
