"""Telling an error without its message, which may hold anything: its type, and where our code was."""

from types import FrameType, TracebackType

_OURS = ("services.", "schemas.")


def error_type(error: BaseException) -> str:
    """The name of the error's class, with its package unless it is built in."""
    kind = type(error)
    package = kind.__module__.partition(".")[0]
    return kind.__qualname__ if package == "builtins" else f"{package}.{kind.__qualname__}"


def error_at(error: BaseException) -> str | None:
    """``module:function:line`` of the innermost frame of our code, else of the innermost of any."""
    innermost: str | None = None
    ours: str | None = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        innermost = _place(trace.tb_frame, trace.tb_lineno)
        if innermost.startswith(_OURS):
            ours = innermost
        trace = trace.tb_next
    return ours or innermost


def caller_at(skipped_packages: tuple[str, ...], frame: FrameType | None) -> str:
    """``module:function:line`` of the first frame, going outwards, that is in none of the packages."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(skipped_packages):
        frame = frame.f_back
    return "unknown" if frame is None else _place(frame, frame.f_lineno)


def _place(frame: FrameType, line: int) -> str:
    return f"{frame.f_globals.get('__name__', 'unknown')}:{frame.f_code.co_qualname}:{line}"
