/* Stands between a program and libc, and lets calls go wrong at a place that the environment names. Compiled by the tests
 * when they run (shim.rs), loaded with LD_PRELOAD: the program is the one users run, and knows nothing of it.
 *
 *   FAULT_UNDER   the folder whose calls count
 *   FAULT         CALL:PART:NTH:WHEN:WHAT, to be done at the nth CALL on a path that has PART in it (at its end when PART ends
 *                 with $), and with NTH+ at all later ones too. CALL is open (for writing), write, sync, truncate, mkdir, rename, unlink, or any of them.
 *                 WHEN is before, during (half of the bytes are written) or after. WHAT is kill, stop (SIGSTOP), or an
 *                 error: enospc, eio, erofs, eacces.
 *   FAULT_MARK    a file that gets a line when the fault happens
 *   FAULT_TRACE   a file that gets a line for each call that counts: CALL SIZE PATH
 *   FAULT_CLOCK   seconds by which the clock of the day is ahead
 *
 * Every function does its work by system call, so nothing here calls what it replaces. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum when { BEFORE, DURING, AFTER };

static struct {
    const char *under, *mark;
    int trace;
    long ahead;
    char call[16], part[256];
    long nth;
    int onwards;
    enum when when;
    int signal, error;
} fault = {.trace = -1};

static atomic_long matches;

static void broken(const char *why) {
    dprintf(2, "fault.c: %s: FAULT=%s\n", why, getenv("FAULT"));
    _exit(99);
}

__attribute__((constructor)) static void read_environment(void) {
    fault.under = getenv("FAULT_UNDER");
    fault.mark = getenv("FAULT_MARK");
    const char *ahead = getenv("FAULT_CLOCK"), *trace = getenv("FAULT_TRACE"), *rule = getenv("FAULT");
    if (ahead) fault.ahead = strtol(ahead, NULL, 10);
    if (trace) fault.trace = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (!rule) return;
    char nth[32], when[16], what[16];
    if (sscanf(rule, "%15[^:]:%255[^:]:%31[^:]:%15[^:]:%15s", fault.call, fault.part, nth, when, what) != 5)
        broken("not CALL:PART:NTH:WHEN:WHAT");
    char *end;
    fault.nth = strtol(nth, &end, 10);
    fault.onwards = *end == '+';
    if (fault.nth < 1) broken("NTH counts from 1");
    if (!strcmp(when, "before")) fault.when = BEFORE;
    else if (!strcmp(when, "during")) fault.when = DURING;
    else if (!strcmp(when, "after")) fault.when = AFTER;
    else broken("unknown WHEN");
    if (!strcmp(what, "kill")) fault.signal = SIGKILL;
    else if (!strcmp(what, "stop")) fault.signal = SIGSTOP;
    else if (!strcmp(what, "enospc")) fault.error = ENOSPC;
    else if (!strcmp(what, "eio")) fault.error = EIO;
    else if (!strcmp(what, "erofs")) fault.error = EROFS;
    else if (!strcmp(what, "eacces")) fault.error = EACCES;
    else broken("unknown WHAT");
}

static void say(int to, const char *call, long size, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %ld %s\n", call, size, path);
    /* One call, so that lines of several threads do not mix. */
    if (length > 0) syscall(SYS_write, to, line, (size_t)length);
}

static int is_meant(const char *path) {
    size_t part = strlen(fault.part), length = strlen(path);
    if (fault.part[part - 1] != '$') return strstr(path, fault.part) != NULL;
    return length >= part - 1 && !strncmp(path + length - (part - 1), fault.part, part - 1);
}

/* Whether the fault is to happen at this call. */
static int due(const char *call, long size, const char *path) {
    if (!fault.under || strncmp(path, fault.under, strlen(fault.under))) return 0;
    if (fault.trace >= 0) say(fault.trace, call, size, path);
    if (!fault.call[0] || !is_meant(path)) return 0;
    if (strcmp(fault.call, "any") && strcmp(fault.call, call)) return 0;
    long now = atomic_fetch_add(&matches, 1) + 1;
    if (now != fault.nth && !(fault.onwards && now > fault.nth)) return 0;
    if (fault.mark) {
        int mark = (int)syscall(SYS_openat, AT_FDCWD, fault.mark, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        say(mark, call, size, path);
        syscall(SYS_close, mark);
    }
    return 1;
}

static void strike(void) { syscall(SYS_kill, getpid(), fault.signal); }

static void absolute(int folder, const char *path, char *into) {
    if (path[0] == '/') {
        snprintf(into, PATH_MAX, "%s", path);
        return;
    }
    char link[64], at[PATH_MAX];
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, at, sizeof at - 1);
    at[length < 0 ? 0 : length] = 0;
    if (snprintf(into, PATH_MAX, "%s/%s", at, path) >= PATH_MAX) broken("a path is too long");
}

static void of_descriptor(int fd, char *into) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, PATH_MAX - 1);
    into[length < 0 ? 0 : length] = 0;
}

/* A call that happens or not: nothing lies between before and after. */
#define WHOLE(call, size, path, doing)                                                                                 \
    do {                                                                                                               \
        int struck = due(call, size, path);                                                                            \
        if (struck && fault.error) {                                                                                   \
            errno = fault.error;                                                                                       \
            return -1;                                                                                                 \
        }                                                                                                              \
        if (struck && fault.when == BEFORE) strike();                                                                  \
        long result = (doing);                                                                                         \
        int saved = errno;                                                                                             \
        if (struck && fault.when != BEFORE) strike();                                                                  \
        errno = saved;                                                                                                 \
        return (int)result;                                                                                            \
    } while (0)

static int opening(int folder, const char *path, int flags, mode_t mode) {
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    char full[PATH_MAX];
    absolute(folder, path, full);
    WHOLE("open", 0, full, syscall(SYS_openat, folder, path, flags, mode));
}

#define MODE(flags, mode)                                                                                              \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opening(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opening(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opening(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opening(folder, path, flags, mode);
}

/* Bytes may get half of the way. `offset` is -1 for those that go where the file stands. */
static ssize_t writing(int fd, const void *bytes, size_t size, off_t offset) {
    char path[PATH_MAX];
    of_descriptor(fd, path);
    int struck = due("write", (long)size, path);
    if (struck && fault.when == BEFORE && fault.signal) strike();
    if (struck && fault.when == BEFORE && fault.error) {
        errno = fault.error;
        return -1;
    }
    size_t now = struck && fault.when == DURING ? size / 2 : size;
    ssize_t result = offset < 0 ? syscall(SYS_write, fd, bytes, now) : syscall(SYS_pwrite64, fd, bytes, now, offset);
    int saved = errno;
    if (struck && fault.signal && fault.when != BEFORE) strike();
    if (struck && fault.error) {
        errno = fault.error;
        return -1;
    }
    errno = saved;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t size) { return writing(fd, bytes, size, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return writing(fd, bytes, size, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) { return writing(fd, bytes, size, offset); }

/* Whoever asks for several pieces at once takes what it gets: the first piece that is not empty. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len) return writing(fd, pieces[piece].iov_base, pieces[piece].iov_len, -1);
    return 0;
}

int fsync(int fd) {
    char path[PATH_MAX];
    of_descriptor(fd, path);
    WHOLE("sync", 0, path, syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
    char path[PATH_MAX];
    of_descriptor(fd, path);
    WHOLE("sync", 0, path, syscall(SYS_fdatasync, fd));
}
int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    of_descriptor(fd, path);
    WHOLE("truncate", (long)size, path, syscall(SYS_ftruncate, fd, size));
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int mkdir(const char *path, mode_t mode) {
    char full[PATH_MAX];
    absolute(AT_FDCWD, path, full);
    WHOLE("mkdir", 0, full, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
int rename(const char *from, const char *to) {
    char full[PATH_MAX];
    absolute(AT_FDCWD, to, full);
    WHOLE("rename", 0, full, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int link(const char *from, const char *to) {
    char full[PATH_MAX];
    absolute(AT_FDCWD, to, full);
    WHOLE("rename", 0, full, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char full[PATH_MAX];
    absolute(to_folder, to, full);
    WHOLE("rename", 0, full, syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}
int unlinkat(int folder, const char *path, int flags) {
    char full[PATH_MAX];
    absolute(folder, path, full);
    WHOLE("unlink", 0, full, syscall(SYS_unlinkat, folder, path, flags));
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += fault.ahead;
    return result;
}
