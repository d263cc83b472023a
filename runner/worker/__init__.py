"""The process that runs a server's own code, and what that code may import: `from runner.worker import Ctx, ToolError`."""

from runner.worker.ctx import Content, Ctx, HttpError, Response, ToolError, Unanswered

__all__ = ["Content", "Ctx", "HttpError", "Response", "ToolError", "Unanswered"]
