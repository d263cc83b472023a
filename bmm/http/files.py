"""The JSON API on the admin socket: files that a spec names, uploaded before it."""

from litestar import Request, put
from litestar.datastructures import State
from litestar.params import FromPath

from bmm.http.parts import TheConfig
from bmm.servers import uploads


@put("/api/files/{digest:str}", status_code=204, request_max_body_size=uploads.MOST_BYTES)
async def put_file(digest: FromPath[str], request: Request[None, None, State], config: TheConfig) -> None:
    await uploads.receive(config.data, digest, request.stream())


ROUTES = [put_file]
