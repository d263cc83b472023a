"""What Swagger 2.0 says at the top of a document, in the words of OpenAPI 3."""


def servers_of(root: dict[str, object]) -> list[object]:
    """The Server Objects that `schemes`, `host` and `basePath` amount to; relative to the document without a host."""
    host, base, schemes = root.get("host"), root.get("basePath"), root.get("schemes")
    path = base.strip() if isinstance(base, str) else ""
    path = path if not path or path.startswith("/") else f"/{path}"
    if not isinstance(host, str) or not host.strip():
        return [{"url": path or "/"}]
    host = host.strip().rstrip("/")
    if "://" in host:
        return [{"url": f"{host}{path}"}]
    given = [each for each in schemes if each in ("https", "http")] if isinstance(schemes, list) else []
    scheme = "http" if given and "https" not in given else "https"
    return [{"url": f"{scheme}://{host}{path}"}]
