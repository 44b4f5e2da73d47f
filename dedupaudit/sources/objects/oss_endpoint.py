"""Where a bucket is: the endpoint and region as they were configured, and the URL of an object there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.redact import remember

_HINT = "write https://HOST or https://HOST:PORT, without a path; for example https://oss-cn-hangzhou.aliyuncs.com"
_FORM = re.compile(r"(?:(https?)://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?", re.ASCII)
_REGION_OF_HOST = re.compile(r"oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Endpoint:
    """One server of OSS. `region` is what signatures name."""

    scheme: str
    host: str
    port: int | None
    region: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")

    def url(self, bucket: str, key: str) -> str:
        """Return the URL of an object, or of the bucket where the key is empty."""
        # Slashes are escaped too: otherwise `//` and `/../` in a key would be tidied away on the way.
        path = quote(key, safe="")
        port = f":{self.port}" if self.port else ""
        if _is_address(self.host) or not _BUCKET_NAME.fullmatch(bucket):
            return f"{self.scheme}://{self.host}{port}/{quote(bucket, safe='')}/{path}"
        return f"{self.scheme}://{bucket}.{self.host}{port}/{path}"


def parse_endpoint(endpoint: str | None, region: str | None) -> Endpoint:
    """Return where to ask; either may be left out where the other tells it. Raises UsageError."""
    if region is not None and not _REGION.fullmatch(region):
        raise UsageError(
            f"{visible(region)} is no region of OSS", "write it as in cn-hangzhou (--oss-region, or region= in Python)"
        )
    if endpoint is None:
        if region is None:
            raise UsageError(
                "an oss:// URL needs an endpoint",
                "name --oss-endpoint https://HOST, or --oss-region for Alibaba Cloud (endpoint= or region= in Python)",
            )
        endpoint = f"https://oss-{region}.aliyuncs.com"
    match = _FORM.fullmatch(endpoint.strip())
    if not match or (match[3] and not 0 < int(match[3]) < 65_536):
        remember(endpoint.rpartition("@")[0].rpartition(":")[2])
        raise UsageError("the OSS endpoint is not understood", _HINT)
    # Without a scheme oss2 would take http, and send a session's token in the clear.
    scheme, host = match[1] or "https", match[2].lower()
    known = _REGION_OF_HOST.fullmatch(host)
    told = region or (known[1] if known else None)
    if told is None:
        raise UsageError(
            f"the region of {visible(host)} is not known, and V4 signatures name it",
            "name it by --oss-region, as in cn-hangzhou (region= in Python)",
        )
    return Endpoint(scheme, host, int(match[3]) if match[3] else None, told)


def _is_address(host: str) -> bool:
    return host == "localhost" or host.startswith("[") or bool(re.fullmatch(r"[0-9.]+", host))
