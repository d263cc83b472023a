"""The system calls a container may make: an allow list by purpose, with the reason for every exception, as podman's JSON.

What is not named fails with ENOSYS, so that libraries that probe for something newer fall back as on an older kernel.
"""

import errno
import socket

CLONE_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET of clone(2)."""

ALLOWED: dict[str, str] = {
    "files": """
        access faccessat faccessat2 chdir fchdir getcwd chmod fchmod fchmodat chown fchown fchownat lchown close close_range
        copy_file_range creat dup dup2 dup3 fadvise64 fallocate fcntl fdatasync flock fstat fstatfs fsync ftruncate truncate getdents
        getdents64 link linkat lseek lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2
        read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile stat statfs statx symlink symlinkat
        sync_file_range umask unlink unlinkat utime utimensat utimes write writev getxattr lgetxattr fgetxattr listxattr llistxattr
        flistxattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
    """,
    "memory": "brk madvise membarrier memfd_create mincore mlock mlock2 mmap mprotect mremap msync munlock munmap",
    "waiting": """
        epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 pause poll ppoll pselect6 select
        signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime pipe pipe2
    """,
    "time": """
        alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
        timer_getoverrun timer_gettime timer_settime times
    """,
    "sockets, whose families are chosen below": """
        accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
        setsockopt shutdown socketpair
    """,
    # A tool's code runs in a process of its own: fork, exec, wait and signals stay inside the container's process namespace.
    "processes": """
        execve execveat exit exit_group fork vfork wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal getpid getppid gettid
        getpgid getpgrp getsid setpgid setsid getuid geteuid getgid getegid getresuid getresgid getgroups getrlimit setrlimit prlimit64
        getrusage getpriority setpriority capget prctl arch_prctl
    """,
    # Without privileges a priority only goes down: the guard lets a worker that computes for long give way.
    "threads": """
        futex get_robust_list set_robust_list set_tid_address rseq getcpu sched_yield sched_getaffinity sched_getattr sched_getparam
        sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
    """,
    "signals": """
        rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
        sigaltstack restart_syscall
    """,
    "the machine": "getrandom sysinfo uname",
    # The guard narrows its workers further; neither can widen anything.
    "more confinement": "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
}

REFUSED: dict[str, str] = {
    "new namespaces open kernel code that only root was meant to reach (nf_tables by way of a user namespace)": "unshare setns",
    "the file system is put together before the guard starts": """
        mount umount2 pivot_root chroot mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick name_to_handle_at
        open_by_handle_at mknod mknodat quotactl swapon swapoff
    """,
    "reading another process, also one's own worker, would reveal its secrets": """
        ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise
    """,
    "a long history of kernel faults, and nothing here needs them": """
        bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key vmsplice splice tee
        modify_ldt remap_file_pages personality
    """,
    "objects that no memory limit counts and that outlive a process": "shmget semget msgget mq_open memfd_secret",
    "the host's own business": """
        init_module finit_module delete_module kexec_load kexec_file_load reboot sethostname setdomainname settimeofday clock_settime
        adjtimex clock_adjtime acct syslog iopl ioperm vhangup
    """,
    "another identity": "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset",
}

# Ask a descriptor about itself; TIOCSTI and the like (typing into a terminal) are not among them.
IOCTLS = {"TCGETS": 0x5401, "TIOCGWINSZ": 0x5413, "FIONREAD": 0x541B, "FIONBIO": 0x5421, "FIONCLEX": 0x5450, "FIOCLEX": 0x5451}
INTERNET = (socket.AF_INET, socket.AF_INET6)
PROTOCOLS = (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP)


def profile() -> dict[str, object]:
    """The profile as `podman run --security-opt seccomp=FILE` reads it (containers/common, seccomp.json)."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.ENOSYS,
        # No 32-bit or x32 entry: their call numbers would be a second way in. The kernel kills who tries.
        "archMap": [{"architecture": f"SCMP_ARCH_{name}", "subArchitectures": []} for name in ("X86_64", "AARCH64")],
        "syscalls": [
            *(_allow(*names.split()) for names in ALLOWED.values()),
            *(_refuse(errno.EPERM, *names.split()) for names in REFUSED.values()),
            # Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
            _refuse(errno.ENOSYS, "clone3"),
            _allow("clone", args=[{"index": 0, "value": CLONE_NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]),
            *(_allow("ioctl", args=[_equal(1, request)]) for request in IOCTLS.values()),
            *_sockets(),
        ],
    }


def _sockets() -> list[dict[str, object]]:
    """Unix and internet sockets; TCP and UDP only. The rest (netlink, vsock, packet, alg, …) says "family not supported"."""
    allowed = (socket.AF_UNIX, *INTERNET)
    others = [family for family in range(max(allowed)) if family not in allowed]
    return [
        _allow("socket", args=[_equal(0, socket.AF_UNIX)]),
        *(_allow("socket", args=[_equal(0, family), _equal(2, protocol)]) for family in INTERNET for protocol in PROTOCOLS),
        *(_refuse(errno.EAFNOSUPPORT, "socket", args=[_equal(0, family)]) for family in others),
        _refuse(errno.EAFNOSUPPORT, "socket", args=[{"index": 0, "value": max(allowed), "valueTwo": 0, "op": "SCMP_CMP_GT"}]),
    ]


def _equal(index: int, value: int) -> dict[str, object]:
    return {"index": index, "value": int(value), "valueTwo": 0, "op": "SCMP_CMP_EQ"}


def _allow(*names: str, args: list[dict[str, object]] | None = None) -> dict[str, object]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": args or []}


def _refuse(number: int, *names: str, args: list[dict[str, object]] | None = None) -> dict[str, object]:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number, "args": args or []}
