"""Which system calls a process may make: a seccomp filter (seccomp(2)) that names them all.

What is named are calls for memory, threads, time and files that are opened, which Landlock judges; no process is made,
none is reached, and nothing of the kernel is set. Calls that nobody named answer "no such call", so that libraries
fall back to older ones; those that a model might be wondered at for get "not permitted". Modes and owners of files are
never changed: Landlock does not judge that.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator

from inference_worker.walls import kernel

# Name, and number on x86_64 and aarch64 (-1: none), as the kernel's headers have them.
_FREE = """
    access 21 -1, arch_prctl 158 -1, brk 12 214, chdir 80 49, clock_getres 229 114, clock_gettime 228 113,
    clock_nanosleep 230 115, close 3 57, close_range 436 436, copy_file_range 326 285, creat 85 -1, dup 32 23,
    dup2 33 -1, dup3 292 24, epoll_create 213 -1, epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22,
    epoll_pwait2 441 441, epoll_wait 232 -1, eventfd 284 -1, eventfd2 290 19, exit 60 93, exit_group 231 94,
    faccessat 269 48, faccessat2 439 439, fadvise64 221 223, fallocate 285 47, fchdir 81 50, fdatasync 75 83,
    flock 73 32, fstat 5 80, fstatfs 138 44, fsync 74 82, ftruncate 77 46, futex 202 98, futex_waitv 449 449,
    get_mempolicy 239 236, get_robust_list 274 100, getcpu 309 168, getcwd 79 17, getdents64 217 61,
    getegid 108 177, geteuid 107 175, getgid 104 176, getgroups 115 158, getpeername 52 205, getpgid 121 155,
    getpgrp 111 -1, getpid 39 172, getppid 110 173, getpriority 140 141, getrandom 318 278, getresgid 120 150,
    getresuid 118 148, getrlimit 97 163, getrusage 98 165, getsid 124 156, getsockname 51 204, getsockopt 55 209,
    gettid 186 178, gettimeofday 96 169, getuid 102 174, lseek 8 62, lstat 6 -1, madvise 28 233, mbind 237 235,
    membarrier 324 283, memfd_create 319 279, mincore 27 232, mkdir 83 -1, mkdirat 258 34, mlock 149 228,
    mlock2 325 284, mmap 9 222, mprotect 10 226, mremap 25 216, msync 26 227, munlock 150 229, munmap 11 215,
    nanosleep 35 101, newfstatat 262 79, pause 34 -1, pipe 22 -1, pipe2 293 59, poll 7 -1, ppoll 271 73,
    pread64 17 67, preadv 295 69, preadv2 327 286, pselect6 270 72, pwrite64 18 68, pwritev 296 70,
    pwritev2 328 287, read 0 63, readlink 89 -1, readlinkat 267 78, readv 19 65, recvfrom 45 207, recvmsg 47 212,
    rename 82 -1, renameat 264 38, renameat2 316 276, restart_syscall 219 128, rmdir 84 -1, rseq 334 293,
    rt_sigaction 13 134, rt_sigpending 127 136, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigsuspend 130 133,
    rt_sigtimedwait 128 137, sched_get_priority_max 146 125, sched_get_priority_min 147 126,
    sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120, sched_setaffinity 203 122,
    sched_yield 24 124, select 23 -1, sendfile 40 71, sendmsg 46 211, sendto 44 206, set_mempolicy 238 237,
    set_robust_list 273 99, set_tid_address 218 96, shutdown 48 210, sigaltstack 131 132, stat 4 -1, statfs 137 43,
    statx 332 291, sync_file_range 277 84, sysinfo 99 179, time 201 -1, timerfd_create 283 85,
    timerfd_gettime 287 87, timerfd_settime 286 86, times 100 153, umask 95 166, uname 63 160, unlink 87 -1,
    unlinkat 263 35, wait4 61 260, write 1 64, writev 20 66
"""
_GUARDED = """
    clone 56 220, fcntl 72 25, ioctl 16 29, kill 62 129, open 2 -1, openat 257 56, prctl 157 167,
    prlimit64 302 261, tgkill 234 131
"""
_REFUSED = """
    accept 43 202, accept4 288 242, add_key 248 217, bind 49 200, bpf 321 280, chmod 90 -1, chown 92 -1,
    chroot 161 51, connect 42 203, execve 59 221, execveat 322 281, fchmod 91 52, fchmodat 268 53, fchown 93 55,
    fchownat 260 54, fork 57 -1, fsetxattr 190 7, io_uring_setup 425 425, keyctl 250 219, lchown 94 -1, link 86 -1,
    linkat 265 37, listen 50 201, mknod 133 -1, mknodat 259 33, mount 165 40, name_to_handle_at 303 264,
    open_by_handle_at 304 265, perf_event_open 298 241, pidfd_open 434 434, pidfd_send_signal 424 424,
    pivot_root 155 41, process_vm_readv 310 270, process_vm_writev 311 271, ptrace 101 117, request_key 249 218,
    rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, setdomainname 171 162, setgid 106 144, setgroups 116 159,
    sethostname 170 161, setns 308 268, setpriority 141 140, setregid 114 143, setresgid 119 149,
    setresuid 117 147, setreuid 113 145, setsockopt 54 208, setuid 105 146, setxattr 188 5, socket 41 198,
    socketpair 53 199, symlink 88 -1, symlinkat 266 36, tkill 200 130, umount2 166 39, unshare 272 97,
    userfaultfd 323 282, utimensat 280 88, vfork 58 -1
"""

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NOT_PERMITTED, _NO_SUCH_CALL = 0x00050000 | 1, 0x00050000 | 38
_ARCHITECTURES = (0xC000003E, 0xC00000B7)  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64
_OTHER_ABI = 0x40000000  # x32, which has other numbers
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_FILTER, _WITHOUT_MITIGATION = 1, 4  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW

_THREAD, _NAMESPACES = 0x10000, 0x7E020000  # CLONE_THREAD, CLONE_NEW*
_OWNER_OR_SIGNAL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: they have the kernel send a signal to anybody
_ACCESS, _EMPTIES = 0o3, os.O_TRUNC  # to empty what is opened for reading is no writing to old versions of Landlock
_NAMES = (3, 15, 16, 23, 0x53564D41)  # PR_GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, SET_VMA
_TERMINAL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIO(N)CLEX
_TYPES_FOR_OTHERS = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD

Instruction = tuple[int, int, int, int]


def enclose(devices: bool) -> None:
    """Refuse this thread, for ever, every call that is not named; `devices` lets drivers be controlled (ioctl).

    The process must have given up new privileges (prctl(2), PR_SET_NO_NEW_PRIVS). Raises OSError.
    """
    at = kernel.machine()
    if at is None:
        raise OSError(38, "the calls of this machine's kernel are not known by number")
    program = list(_program(at, os.getpid(), devices))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    about = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    kernel.call("seccomp", _FILTER, _WITHOUT_MITIGATION, about)


def _program(at: int, pid: int, devices: bool) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _EQUAL, 1, 0, _ARCHITECTURES[at]
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    yield _AT_LEAST, 0, 1, _OTHER_ABI
    yield _RETURN, 0, 0, _KILL
    for name, number in _numbers(_GUARDED, at):
        rule = list(_guard(name, pid, devices))
        yield _EQUAL, 0, len(rule), number
        yield from rule
    for names, answer in ((_FREE, _ALLOW), (_REFUSED, _NOT_PERMITTED)):
        for _, number in _numbers(names, at):
            yield _EQUAL, 0, 1, number
            yield _RETURN, 0, 0, answer
    yield _RETURN, 0, 0, _NO_SUCH_CALL


def _numbers(table: str, at: int) -> Iterator[tuple[str, int]]:
    for one in table.split(","):
        name, *numbers = one.split()
        if numbers[at] != "-1":
            yield name, int(numbers[at])


def _guard(name: str, pid: int, devices: bool) -> Iterator[Instruction]:
    """What decides by an argument; the low half of one is enough, for the kernel reads no more of these."""
    match name:
        case "clone":  # a thread of this process, in its namespaces
            yield from _argument(0)
            yield _ANY_BIT, 0, 2, _THREAD
            yield _ANY_BIT, 1, 0, _NAMESPACES
            yield _RETURN, 0, 0, _ALLOW
            yield _RETURN, 0, 0, _NOT_PERMITTED
        case "kill" | "tgkill":
            yield from _only(0, (pid,))
        case "prlimit64":
            yield from _only(0, (0, pid))
        case "prctl":
            yield from _only(0, _NAMES)
        case "fcntl":
            yield from _all_but(1, _OWNER_OR_SIGNAL)
        case "ioctl":
            yield from _all_but(1, _TYPES_FOR_OTHERS) if devices else _only(1, _TERMINAL)
        case "open" | "openat":
            yield from _argument(1 if name == "open" else 2)
            yield _AND, 0, 0, _ACCESS | _EMPTIES
            yield _EQUAL, 0, 1, _EMPTIES
            yield _RETURN, 0, 0, _NOT_PERMITTED
            yield _RETURN, 0, 0, _ALLOW


def _argument(number: int) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARGUMENTS + 8 * number


def _only(argument: int, values: Iterable[int]) -> Iterator[Instruction]:
    yield from _chosen(argument, values, _ALLOW, _NOT_PERMITTED)


def _all_but(argument: int, values: Iterable[int]) -> Iterator[Instruction]:
    yield from _chosen(argument, values, _NOT_PERMITTED, _ALLOW)


def _chosen(argument: int, values: Iterable[int], answer: int, otherwise: int) -> Iterator[Instruction]:
    yield from _argument(argument)
    for value in values:
        yield _EQUAL, 0, 1, value
        yield _RETURN, 0, 0, answer
    yield _RETURN, 0, 0, otherwise
