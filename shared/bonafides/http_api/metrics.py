"""Metrics of an HTTP API. Labels are route templates and closed words; never a path."""

from prometheus_client import Gauge, Histogram

request_seconds = Histogram(
    "http_server_request_duration_seconds",
    "Duration of API requests by route template.",
    ["route", "method", "status_class"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
in_flight = Gauge("http_requests_in_flight", "API requests being answered now.")
