"""The door for rasters behind an address: s3, https and http, read by range, and nothing but that object.

Only an address that a person gave on the command line comes here; `open_raster` refuses them all. GDAL is
told the one name that it may fetch, so that no sidecar is looked for.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import quote, urlsplit

import rasterio

from geo_xmodal.errors import RasterError
from geo_xmodal.raster.files import check_magic, opened_raster

_SCHEMES = ("https", "http", "s3")
_TIMEOUT = 20
_HEAD = 16
"""Bytes that are asked for at first."""

_SETTINGS = {
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/",  # an object that was replaced is not mixed with the old
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_HTTP_CONNECTTIMEOUT": str(_TIMEOUT),
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
}
_OFF = ("NO", "FALSE", "OFF", "0")


@dataclass(frozen=True)
class RemoteFile:
    """An object behind an address, as it was when it was found.

    Attributes:
        name: The address without what may be a signature.
        size: Bytes.
        version: Its ETag, or when it was last modified; empty if the server says neither.
        url: `https://...`, `http://...` or `s3://bucket/key`; a signature in it is neither shown nor kept.
    """

    name: str
    size: int
    version: str
    url: str = field(repr=False, compare=False)

    @property
    def vsi(self) -> str:
        """What GDAL calls it."""
        return f"/vsis3/{self.url[5:]}" if self.url.startswith("s3:") else f"/vsicurl/{self.url}"


def is_address(text: str) -> bool:
    """Whether `text` is an address rather than a path."""
    return "://" in text


def find_remote(url: str) -> RemoteFile:
    """What lies behind an address.

    Raises:
        RasterError: Nothing, or no GeoTIFF, or a server that does not give parts of files.
    """
    parts = urlsplit(url)
    name = url.partition("?")[0]
    if parts.scheme not in _SCHEMES or not parts.netloc or len(parts.path) < 2:
        raise RasterError(
            f"{name}: expected https://HOST/FILE.tif, http://HOST/FILE.tif or s3://BUCKET/KEY.tif"
        )
    if "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url:
        raise RasterError(
            f"{name}: no passwords, spaces or special letters in an address; write them as %20 etc."
        )
    address, headers = _s3_request(parts.netloc, parts.path) if parts.scheme == "s3" else (url, {})
    start, answer = _asked(name, address, headers)
    total = answer.get("Content-Range", "").rpartition("/")[2]
    if not total.isdecimal():
        raise RasterError(f"{name}: its server does not give parts of a file; download it and map the copy")
    check_magic(start, name)
    return RemoteFile(name, int(total), answer.get("ETag") or answer.get("Last-Modified") or "", url)


@contextmanager
def open_remote(remote: RemoteFile) -> Iterator[rasterio.DatasetReader]:
    """Open what `find_remote` found, for reading by range.

    Raises:
        RasterError: It cannot be reached or is not a GeoTIFF, or fails to be read inside the `with` block.
    """
    config = {**_SETTINGS, "CPL_VSIL_CURL_ALLOWED_FILENAME": remote.vsi}
    with opened_raster(remote.vsi, remote.name, remote.size, config=config) as dataset:
        yield dataset


def _asked(name: str, address: str, headers: Mapping[str, str]) -> tuple[bytes, Message]:
    """The first bytes of an object, and the headers that came with them."""
    request = urllib.request.Request(address, headers={**headers, "Range": f"bytes=0-{_HEAD - 1}"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            return response.read(_HEAD), response.headers
    except urllib.error.HTTPError as error:
        raise RasterError(f"{name}: {_refusal(error)}") from None
    except (OSError, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        raise RasterError(f"{name}: cannot be reached: {why}; check the address") from None


def _refusal(error: urllib.error.HTTPError) -> str:
    region = error.headers.get("x-amz-bucket-region")
    if region and region != os.environ.get("AWS_REGION"):
        return f"the bucket lies in region {region}: set AWS_REGION={region}"
    if error.code == 404:
        return "no such file on the server (404): check the address"
    if error.code in (401, 403):
        return f"the server does not allow it ({error.code}): check the address and your credentials"
    if error.code == 416:
        return "an empty file"
    return f"the server answers {error.code} {error.reason}"


def _s3_request(bucket: str, key: str) -> tuple[str, Mapping[str, str]]:
    """Address and headers of an object, from the same variables that GDAL reads."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = (
        os.environ.get("AWS_S3_ENDPOINT", f"s3.{region}.amazonaws.com").rpartition("://")[2].rstrip("/")
    )
    scheme = "http" if os.environ.get("AWS_HTTPS", "").upper() in _OFF else "https"
    as_host = os.environ.get("AWS_VIRTUAL_HOSTING", "").upper() not in _OFF and "." not in bucket
    place = f"{bucket}.{endpoint}" if as_host else f"{endpoint}/{bucket}"
    address = f"{scheme}://{place}{quote(key, safe='/~%')}"
    if os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "ON", "1"):
        return address, {}
    return address, _signature(address, region)


def _signature(address: str, region: str) -> Mapping[str, str]:
    try:
        from botocore.auth import S3SigV4Auth  # an optional extra
        from botocore.awsrequest import AWSRequest
        from botocore.session import Session
    except ImportError:
        raise RasterError(
            "s3 with credentials needs botocore: pip install 'geo_xmodal[s3]'; for public data set "
            "AWS_NO_SIGN_REQUEST=YES"
        ) from None
    credentials = Session().get_credentials()
    if credentials is None:
        raise RasterError("no AWS credentials found; for public data set AWS_NO_SIGN_REQUEST=YES")
    request = AWSRequest("GET", address)
    S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
    return dict(request.headers.items())
