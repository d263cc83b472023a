"""What Swagger 2.0 says at the top of a document and at an operation, in the words of OpenAPI 3."""


def servers_of(root: dict[str, object], schemes: object = None) -> list[object]:
    """The Server Objects that `schemes`, `host` and `basePath` amount to; relative to the document without a host.

    `schemes` are those of an operation, which replace the document's where there is one that can be used.
    """
    host, base = root.get("host"), root.get("basePath")
    path = base.strip() if isinstance(base, str) else ""
    path = f"/{path.lstrip('/')}" if path else ""
    if not isinstance(host, str) or not host.strip():
        return [{"url": path or "/"}]
    host = host.strip().rstrip("/")
    if "://" in host:
        return [{"url": f"{host}{path}"}]
    given = _usable(schemes) or _usable(root.get("schemes"))
    scheme = "http" if given and "https" not in given else "https"
    return [{"url": f"{scheme}://{host}{path}"}]


def _usable(schemes: object) -> list[object]:
    return [each for each in schemes if each in ("https", "http")] if isinstance(schemes, list) else []
