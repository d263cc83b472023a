"""What code inside a worker may try: each is a tool's body and what it must come to. Used by a pool beside the tests and in real containers."""

from typing import NamedTuple

TRY = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time

def tried(*actions):
    \"\"\"The names of the errors, `done` where one worked.\"\"\"
    found = []
    for action in actions:
        try:
            action()
            found.append("done")
        except OSError as error:
            found.append(errno.errorcode.get(error.errno, str(error)))
        except Exception as error:
            found.append(type(error).__name__)
    return found

guard, me = os.getppid(), os.getpid()

def parent(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])

libc = ctypes.CDLL(None, use_errno=True)

def told(number, owner=8, by=fcntl.fcntl):
    \"\"\"Have the kernel send a signal to the guard when a pipe has something to read (fcntl(2), F_SETOWN and F_SETSIG).\"\"\"
    reads, writes = os.pipe()
    by(reads, owner, guard if by is fcntl.fcntl else struct.pack("i", guard))
    fcntl.fcntl(reads, 10, number)
    fcntl.fcntl(reads, fcntl.F_SETFL, fcntl.fcntl(reads, fcntl.F_GETFL) | 0o20000)
    os.write(writes, b"x")

def call(number, *arguments):
    \"\"\"A system call by its number, past everything Python would do.\"\"\"
    if libc.syscall(number, *(ctypes.c_long(each) for each in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")

kept = []
def address():
    \"\"\"Where a struct sockaddr_un lies in memory.\"\"\"
    kept.append(ctypes.create_string_buffer(struct.pack("H", 1) + b"/egress/0.sock"))
    return ctypes.addressof(kept[-1])

def message():
    \"\"\"A struct msghdr (and mmsghdr) that says and passes nothing.\"\"\"
    kept.append(ctypes.create_string_buffer(64))
    return ctypes.addressof(kept[-1])
"""


class Refused(NamedTuple):
    """The expression gives a list of error names, none of which is `done`."""

    name: str
    expression: str
    may: frozenset[str] = frozenset({"EPERM", "EACCES", "EROFS", "ENOSYS", "ESRCH", "ENOENT"})


REFUSED = (
    Refused("read the guard's memory", "tried(lambda: open(f'/proc/{guard}/mem', 'rb').read(1))"),
    Refused("read the guard's environment", "tried(lambda: open(f'/proc/{guard}/environ').read())"),
    Refused(
        "list the guard's descriptors",
        "tried(lambda: os.listdir(f'/proc/{guard}/fd'), lambda: os.listdir(f'/proc/{guard}/map_files'))",
    ),
    Refused("open the guard's descriptors", "tried(*[lambda n=n: open(f'/proc/{guard}/fd/{n}', 'rb') for n in range(12)])"),
    Refused(
        "write the guard's memory",
        "tried(lambda: os.open(f'/proc/{guard}/mem', os.O_RDWR), lambda: os.open(f'/proc/{guard}/mem', os.O_WRONLY))",
    ),
    Refused("write its own memory by a file", "tried(lambda: os.open('/proc/self/mem', os.O_RDWR))"),
    Refused(
        "read another worker's memory",
        "tried(*[lambda p=p: open(f'/proc/{p}/mem', 'rb') for p in os.listdir('/proc') if p.isdigit() and int(p) != me and parent(p) == guard])",
    ),
    Refused("signal the guard", "tried(*[lambda s=s: os.kill(guard, s) for s in (0, 1, 2, 9, 15, 19)], lambda: os.killpg(0, 9))"),
    Refused("signal everyone", "tried(lambda: os.kill(-1, 0), lambda: call(200, guard, 9), lambda: call(234, guard, guard, 9))"),
    Refused("signal by a pidfd", "tried(lambda: os.pidfd_open(guard), lambda: signal.pidfd_send_signal(0, 9))"),
    Refused(
        "signal by a pipe that has something to read",
        "tried(lambda: told(23), lambda: told(15), lambda: fcntl.fcntl(3, 8, guard), lambda: fcntl.fcntl(3, 10, 9), "
        "lambda: fcntl.fcntl(3, 15, struct.pack('ii', 1, guard)), lambda: told(23, 0x8901, fcntl.ioctl), lambda: told(23, 0x8902, fcntl.ioctl))",
    ),
    Refused("type at a terminal", "tried(lambda: fcntl.ioctl(0, 0x5412, b'x'), lambda: fcntl.ioctl(0, 0x541C, b'\\x03x'))"),
    Refused("send and take urgent bytes", "tried(lambda: call(44, 3, 0, 0, 1, 0, 0), lambda: call(45, 3, 0, 0, 1, 0, 0))"),
    Refused("take the guard's descriptors by a pidfd", "tried(lambda: call(438, 0, 3, 0))"),
    Refused(
        "limit the guard",
        "tried(lambda: resource.prlimit(guard, resource.RLIMIT_NOFILE, (1, 1)), "
        "lambda: resource.prlimit(guard, resource.RLIMIT_NOFILE))",
    ),
    Refused(
        "raise its own limits",
        "tried(lambda: resource.prlimit(0, resource.RLIMIT_AS, (-1, -1)), "
        "lambda: resource.prlimit(0, resource.RLIMIT_CPU, (1, 1)))",
    ),
    Refused(
        "change priorities",
        "tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, 0), lambda: os.nice(1), "
        "lambda: os.setpriority(os.PRIO_PROCESS, guard, 19))",
    ),
    Refused(
        "change scheduling",
        "tried(lambda: os.sched_setaffinity(0, [0]), lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))",
    ),
    Refused(
        "fork",
        "tried(os.fork, os.forkpty, lambda: call(57), lambda: call(58), lambda: call(56, 17, 0, 0, 0, 0), "
        "lambda: call(56, 0x8011, 0, 0, 0, 0), lambda: call(56, 0x1208011, 0, 0, 0, 0), lambda: call(435, 0, 0))",
    ),
    Refused(
        "start a program",
        "tried(lambda: os.execv('/usr/bin/python3', ['python3']), lambda: subprocess.run(['/usr/bin/python3', '-V']), "
        "lambda: os.posix_spawn('/usr/bin/python3', ['python3'], {}))",
    ),
    Refused("open sockets", "tried(*[lambda f=f: socket.socket(f) for f in (1, 2, 10, 16, 17, 40)], socket.socketpair)"),
    Refused(
        "connect and pass descriptors",
        "tried(lambda: call(42, 3, address(), 17), lambda: call(49, 3, address(), 17), lambda: call(46, 3, message(), 0), "
        "lambda: call(307, 3, message(), 1, 0), lambda: call(47, 3, message(), 64), lambda: call(299, 3, message(), 1, 64, 0))",
    ),
    Refused("send to another address", "tried(lambda: call(44, 3, address(), 0, 0, address(), 17))"),
    Refused(
        "trace",
        "tried(lambda: call(101, 16, guard, 0, 0), lambda: call(101, 0, 0, 0, 0), lambda: call(310, guard, 0, 0, 0, 0, 0), "
        "lambda: call(311, guard, 0, 0, 0, 0, 0))",
    ),
    Refused(
        "make files",
        "tried(lambda: open('/tmp/full', 'w'), lambda: os.mkdir('/tmp/d'), lambda: os.mkfifo('/tmp/f'), "
        "lambda: os.symlink('/', '/tmp/l'), lambda: os.open('/tmp', os.O_TMPFILE | os.O_RDWR), "
        "lambda: os.memfd_create('x'), lambda: os.open('/dev/shm/x', os.O_CREAT))",
    ),
    Refused(
        "change files",
        "tried(lambda: os.truncate('/tmp', 0), lambda: os.chmod('/tmp', 0o777), lambda: os.rename('/tmp', '/x'), "
        "lambda: os.unlink('/tmp/x'), lambda: os.utime('/tmp'))",
        frozenset({"EROFS"}),
    ),
    Refused(
        "io_uring, bpf, keys and namespaces",
        "tried(*[lambda n=n: call(n, 0, 0, 0, 0, 0) for n in (425, 426, 427, 321, 298, 248, 249, 250, 272, 308, 165, 155, 161)], lambda: call(323, 1))",
    ),
    Refused("shared memory and queues", "tried(*[lambda n=n: call(n, 0, 4096, 0o1600) for n in (29, 64, 68, 240)])"),
    Refused(
        "become visible again",
        "tried(lambda: call(157, 4, 1, 0, 0, 0), lambda: call(157, 22, 2, 0, 0, 0), lambda: call(317, 1, 0, 0))",
    ),
)  # fmt: skip

HOLD = "import asyncio\nasync def run(args, ctx):\n    await asyncio.sleep(args['seconds'])\n"


def attack_code(attack: Refused) -> str:
    return f"{TRY}\nasync def run(args, ctx):\n    return {{'found': {attack.expression}}}\n"


def python_tool(name: str, code: str, **more: object) -> dict[str, object]:
    """As a spec has it."""
    return {"kind": "python", "name": name, "description": name, "input_schema": {"type": "object"}, "code": code, **more}


# A tool's module, and the codes its answer may have (None: it is a good answer).
MISBEHAVIOURS: dict[str, tuple[str, set[str | None]]] = {
    "an endless loop": ("while True: pass", {"timeout"}),
    "a loop that swallows its cancellation": (
        "import asyncio\nwhile True:\n    try:\n        await asyncio.sleep(60)\n    except BaseException:\n        pass",
        {"timeout"},
    ),
    "memory without end": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", {"tool_failed"}),
    "one huge allocation": ("return len(bytearray(1 << 33))", {"tool_failed"}),
    "sys.exit": ("import sys\nsys.exit(3)", {"tool_failed"}),
    "sys.exit in a callback": ("import asyncio, sys\nasyncio.get_running_loop().call_soon(sys.exit)\nawait asyncio.sleep(60)", {"tool_failed"}),
    "os._exit": ("import os\nos._exit(0)", {"tool_failed"}),
    "abort": ("import os\nos.abort()", {"tool_failed"}),
    "a crash": ("import ctypes\nctypes.string_at(0)", {"tool_failed"}),
    "a closed socket": ("import os\nos.close(3)", {"tool_failed", "timeout"}),
    "every descriptor closed": ("import os\nos.closerange(0, 64)", {"tool_failed", "timeout"}),
    "recursion": ("def again(): return again()\nagain()", {"tool_failed"}),
    "deep recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef again(): return again()\nagain()", {"tool_failed", "timeout"}),
    "an answer without end": ("a = []\na.append(a)\nreturn a", {"invalid_output", "tool_failed"}),
    "a deep answer": ("a = []\nfor _ in range(100_000): a = [a]\nreturn a", {"invalid_output", "tool_failed"}),
    "an answer of the wrong type": ("return object()", {"invalid_output"}),
    "a huge number": ("return {'n': 10**30}", {None}),
    "a number without end": (
        "import asyncio, os\nframe = f'[\"returned\",{ctx._call.number},true,null,true,'.encode() + b'9' * (4 << 20) + b',[]]'\n"
        "os.write(3, len(frame).to_bytes(4, 'big') + frame)\nawait asyncio.sleep(60)",
        {"tool_failed"},
    ),
    "an answer of 40 MiB": ("return 'x' * (40 << 20)", {"invalid_output", "tool_failed"}),
    "an answer of 5 MiB": ("return 'x' * (5 << 20)", {"invalid_output"}),
    "half a surrogate pair": ("return '\\ud800'", {"invalid_output", "tool_failed"}),
    "a gigabyte of output": ("import sys\nfor _ in range(1024): sys.stdout.write('x' * (1 << 20))\nreturn 'done'", {None, "timeout"}),
    "a million lines of output": ("for n in range(1_000_000): print(n)\nreturn 'done'", {None, "timeout"}),
    "a garbage frame": ("import os\nos.write(3, b'\\0\\0\\0\\x04abcd')\nimport asyncio\nawait asyncio.sleep(60)", {"tool_failed"}),
    "a huge frame": ("import os\nos.write(3, b'\\xff\\xff\\xff\\xff')\nimport asyncio\nawait asyncio.sleep(60)", {"tool_failed"}),
    "a request to be forked on every descriptor": (
        "import os\nfor number in range(64):\n    try:\n        os.write(number, b'fork')\n    except OSError:\n        pass\n"
        "import asyncio\nawait asyncio.sleep(60)",
        {"tool_failed"},
    ),
    "half a frame": ("import os\nos.write(3, b'\\0\\0\\0\\x04a')\nimport asyncio\nawait asyncio.sleep(60)", {"timeout"}),
    "a flood of empty frames": ("import os\nwhile True: os.write(3, b'\\0' * 65536)", {"tool_failed"}),
    "a flood of requests whose answers it does not take": (
        "from runner.worker import frames\nimport os\n"
        "wish = bytes(frames.framed(frames.SqlWish(ctx._call.number, 1, 'main', 'select 1' + ' ' * 60_000, {})))\n"
        "while True: os.write(3, wish)",
        {"tool_failed", "timeout"},
    ),
    "a flood of small requests": (
        "from runner.worker import frames\nimport os\nwish = bytes(frames.framed(frames.CanWish(ctx._call.number, 1, 'roots')))\n"
        "while True: os.write(3, wish * 1000)",
        {"tool_failed", "timeout"},
    ),
    "blocks of no kind": ("from runner.worker import Content\nreturn [Content({'type': []}), Content({'type': 'text'})]", {"invalid_output"}),
    "a log that JSON cannot say": (
        "from runner.worker import frames\nimport os, asyncio\nos.write(3, frames.framed(frames.Note(ctx._call.number, 'info', {None: 1})))\n"
        "await asyncio.sleep(60)",
        {"tool_failed"},
    ),
    "numbers of x32": (
        "import ctypes, platform\nif platform.machine() != 'x86_64': raise OSError\nctypes.CDLL(None).syscall(0x40000000 + 39)",
        {"tool_failed"},
    ),
    "calls of 32 bit": (
        "import ctypes, mmap, platform\nif platform.machine() != 'x86_64': raise OSError\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20; int 0x80; ret\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()",
        {"tool_failed"},
    ),
    "an error that cannot be said": (
        "from runner.worker import ToolError\nclass E(ToolError):\n    def __str__(self): raise ValueError\nraise E",
        {"failed"},
    ),
    "a message that is small to send and huge to hold": (
        "from runner.worker import frames\nimport asyncio, os\nframe = bytes(frames.framed(frames.Note(ctx._call.number, None, [])))[4:-2]\n"
        "frame += b'{},' * 10**6 + b'{}]]'\nos.write(3, len(frame).to_bytes(4, 'big') + frame)\nawait asyncio.sleep(60)",
        {"tool_failed"},
    ),
    "a flood of messages": (
        "from runner.worker import frames\nimport os\nnote = bytes(frames.framed(frames.Note(ctx._call.number, None, 'x')))\n"
        "while True: os.write(3, note * 1000)",
        {"tool_failed"},
    ),
    "an answer for the next call": (
        "from runner.worker import frames\nimport os\n"
        "os.write(3, frames.framed(frames.Returned(ctx._call.number + 1, True, text='forged')))\nreturn 'mine'",
        {"tool_failed"},
    ),
    "a worker that lies about being idle": (
        "from runner.worker import frames\nimport os, threading, time\nnumber = ctx._call.number\n"
        "def later():\n    time.sleep(0.05)\n"
        "    while True: os.write(3, bytes(frames.framed(frames.Returned(number + 1, True, text='forged'))))\n"
        "threading.Thread(target=later, daemon=True).start()\nthreading.active_count = lambda: 1\nreturn 'mine'",
        {None},
    ),
    "modules of the worker replaced": (
        "from runner.worker import frames, main\nmain.frames.framed = None\nmain._returned = None\nmain.Worker.send = None\nreturn 'mine'",
        {"tool_failed", "timeout"},
    ),
    "a thread that stays": ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nreturn 'mine'", {None}),
    "a thread bomb": (
        "import threading, time\nthreading.stack_size(65536)\n"
        "for _ in range(10_000):\n    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        {"tool_failed"},
    ),
    "a task that stays": ("import asyncio\nctx.keep = asyncio.create_task(asyncio.sleep(600))\nreturn 'mine'", {None}),
    "a task that cannot be cancelled": (
        "import asyncio\nasync def stay():\n    while True:\n"
        "        try:\n            await asyncio.sleep(60)\n        except BaseException:\n            pass\n"
        "ctx.keep = asyncio.create_task(stay())\nawait asyncio.sleep(0)\nreturn 'mine'",
        {None},
    ),
    "memory that stays": ("import builtins\nbuiltins.kept = bytearray(b'x' * (60 << 20))\nreturn 'mine'", {None}),
    "code that does not parse": ("return )", {"tool_broken"}),
    "code that fails while it is loaded": ("async def run(args, ctx): return 1\nraise OSError('no')", {"tool_failed"}),
}
