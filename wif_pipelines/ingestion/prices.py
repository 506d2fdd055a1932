"""What a transfer costs and how long it may take: a dated table that a user can override, and the arithmetic.

Prices are list prices in US dollars as published at the table's date; they are estimates for choosing a route, not a
bill. Taxes, discounts, NAT gateways and storage are not in them. Throughputs are assumptions: Google publishes none for
agentless transfers; SkyPilot measured 1 to 2 GB/s between S3 and Cloud Storage.

See https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer, https://aws.amazon.com/s3/pricing/,
https://cloud.google.com/storage/pricing and https://cloud.google.com/storage-transfer/pricing
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Tier:
    """A price up to a volume in one month.

    Attributes:
        up_to_gib: The volume at which the next tier begins; infinite for the last.
        usd_per_gib: Price of a GiB in this tier.
    """

    up_to_gib: float
    usd_per_gib: float


@dataclass(frozen=True, slots=True)
class PriceTable:
    """List prices; replace single fields with `dataclasses.replace`.

    Attributes:
        dated: When these prices were read.
        egress: AWS data transfer out to the internet, ascending tiers of a calendar month.
        s3_get_usd_per_1000: A GET request.
        s3_list_usd_per_1000: A LIST request (1,000 keys).
        gcs_class_a_usd_per_1000: An upload or a listing page.
        gcs_class_b_usd_per_1000: A read of an object or of its metadata.
        managed_network_usd_per_gib: Storage Transfer's managed private network instead of the internet (North America).
    """

    dated: date = date(2026, 11, 1)
    egress: tuple[Tier, ...] = (
        Tier(100, 0.0),
        Tier(10 * 1024, 0.09),
        Tier(50 * 1024, 0.085),
        Tier(150 * 1024, 0.07),
        Tier(float("inf"), 0.05),
    )
    s3_get_usd_per_1000: float = 0.0004
    s3_list_usd_per_1000: float = 0.005
    gcs_class_a_usd_per_1000: float = 0.005
    gcs_class_b_usd_per_1000: float = 0.0004
    managed_network_usd_per_gib: float = 0.03

    def egress_usd(self, bytes_moved: int, *, already_this_month: int = 0) -> float:
        """Price of moving bytes out of AWS, after the bytes that already left in this calendar month."""
        start, end = already_this_month / GIB, (already_this_month + bytes_moved) / GIB
        total, below = 0.0, 0.0
        for tier in self.egress:
            total += tier.usd_per_gib * max(0.0, min(end, tier.up_to_gib) - max(start, below))
            below = tier.up_to_gib
        return total


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast each route is assumed to be; replace with what earlier runs measured.

    Attributes:
        proxy_bytes_per_second: Of one worker.
        proxy_objects_per_second: Of one worker, small objects over a wide-area network.
        bulk_bytes_per_second: Of Storage Transfer Service.
        bulk_objects_per_second: Of Storage Transfer Service.
        bulk_start_seconds: From the call until the first byte moves.
    """

    proxy_bytes_per_second: float = 250e6
    proxy_objects_per_second: float = 800.0
    bulk_bytes_per_second: float = 1e9
    bulk_objects_per_second: float = 1000.0
    bulk_start_seconds: float = 90.0


LIST_PRICES = PriceTable()
ASSUMED_THROUGHPUT = Throughput()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it would take to move everything by one route.

    Attributes:
        seconds: From start to the last byte, without verification.
        egress_usd: AWS data transfer out.
        request_usd: Requests at both ends.
    """

    seconds: float
    egress_usd: float
    request_usd: float

    @property
    def total_usd(self) -> float:
        """All of it."""
        return self.egress_usd + self.request_usd


def estimate_proxy(
    objects: int, size: int, *, parts: int, prices: PriceTable, speed: Throughput, already_this_month: int = 0
) -> Estimate:
    """Estimate the proxy route.

    Args:
        objects: How many.
        size: Bytes in all.
        parts: Ranges and parts beyond one request an object, for objects copied in pieces.
        prices: The price table.
        speed: Assumed throughput.
        already_this_month: Bytes that already left AWS in this calendar month.
    """
    seconds = max(objects / speed.proxy_objects_per_second, size / speed.proxy_bytes_per_second)
    requests = (objects + parts) * (prices.s3_get_usd_per_1000 + prices.gcs_class_a_usd_per_1000) / 1000
    egress = prices.egress_usd(size, already_this_month=already_this_month)
    return Estimate(seconds, egress, requests + _listing(objects, prices))


def estimate_bulk(
    objects: int,
    size: int,
    *,
    prices: PriceTable,
    speed: Throughput,
    already_this_month: int = 0,
    managed_network: bool = False,
) -> Estimate:
    """Estimate the bulk route; the service itself is free, the requests it makes are not.

    Args:
        objects: How many.
        size: Bytes in all.
        prices: The price table.
        speed: Assumed throughput.
        already_this_month: Bytes that already left AWS in this calendar month.
        managed_network: Over Storage Transfer's managed private network, whose price takes the place of AWS's egress.
    """
    moving = max(objects / speed.bulk_objects_per_second, size / speed.bulk_bytes_per_second)
    requests = objects * (prices.s3_get_usd_per_1000 + prices.gcs_class_a_usd_per_1000) / 1000
    if managed_network:
        egress = size / GIB * prices.managed_network_usd_per_gib
    else:
        egress = prices.egress_usd(size, already_this_month=already_this_month)
    return Estimate(speed.bulk_start_seconds + moving if objects else 0.0, egress, requests + _listing(objects, prices))


def _listing(objects: int, prices: PriceTable) -> float:
    pages = -(-objects // 1000)
    return pages * (prices.s3_list_usd_per_1000 + prices.gcs_class_a_usd_per_1000) / 1000
