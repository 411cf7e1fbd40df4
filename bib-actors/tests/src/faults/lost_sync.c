/* Makes one chosen fsync or fdatasync of a process fail with EIO, and loses what it did not write.
 *
 * Preloaded into a program. Calls on files below BIB_SYNC_DIR, but not below its folder "postgres", are counted while the
 * file BIB_SYNC_CONTROL is there; it holds the number of the call that fails, 0 for none. A failed call leaves a regular
 * file as long as it was when it was synced last: so it is after a power cut, and so a kernel that drops pages which it
 * could not write shows it sooner or later. Each counted call is a line of BIB_SYNC_LOG: number, OK or FAILED, path; a
 * sync of a descriptor on which one failed before is a line with RETRY. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 16384
#define DESCRIPTORS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { dev_t dev; ino_t ino; off_t len; int used; } synced[FILES];
static unsigned char failed[DESCRIPTORS];
static long counted;

static long slot_of(dev_t dev, ino_t ino, int make) {
    for (unsigned long n = 0; n < FILES; n++) {
        unsigned long at = (ino * 2654435761UL + n) % FILES;
        if (synced[at].used && synced[at].dev == dev && synced[at].ino == ino) return (long)at;
        if (!synced[at].used) {
            if (!make) return -1;
            synced[at].used = 1;
            synced[at].dev = dev;
            synced[at].ino = ino;
            return (long)at;
        }
    }
    return -1;
}

static void note(const char *what, const char *path) {
    const char *name = getenv("BIB_SYNC_LOG");
    if (!name) return;
    int out = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) return;
    char line[PATH_MAX + 64];
    int len = snprintf(line, sizeof line, "%ld %s %s\n", counted, what, path);
    if (write(out, line, (size_t)len) < 0) { /* the scenario sees a log that is too short */ }
    syscall(SYS_close, out);
}

/* Which call is to fail; -1 while none is counted. */
static long chosen(void) {
    const char *name = getenv("BIB_SYNC_CONTROL");
    if (!name) return -1;
    int in = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (in < 0) return -1;
    char text[32] = {0};
    ssize_t len = read(in, text, sizeof text - 1);
    syscall(SYS_close, in);
    return len > 0 ? atol(text) : -1;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    if (len <= 0) return 0;
    path[len] = 0;
    const char *dir = getenv("BIB_SYNC_DIR");
    size_t most = dir ? strlen(dir) : 0;
    return most && !strncmp(path, dir, most) && strncmp(path + most, "/postgres", 9);
}

static int any_sync(int fd, long number) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    int answer = 0, saved = 0;
    long target = chosen();
    if (target < 0) counted = 0; else counted++;
    if (fd >= 0 && fd < DESCRIPTORS && failed[fd]) note("RETRY", path);
    struct stat about;
    int known = !fstat(fd, &about);
    if (target > 0 && counted == target) {
        if (known && S_ISREG(about.st_mode)) {
            long at = slot_of(about.st_dev, about.st_ino, 0);
            off_t len = at < 0 ? 0 : synced[at].len;
            if (len < about.st_size && ftruncate(fd, len)) note("NOT-LOST", path);
        }
        if (fd >= 0 && fd < DESCRIPTORS) failed[fd] = 1;
        note("FAILED", path);
        answer = -1;
        saved = EIO;
    } else {
        answer = (int)syscall(number, fd);
        saved = errno;
        if (!answer && known && S_ISREG(about.st_mode)) {
            long at = slot_of(about.st_dev, about.st_ino, 1);
            if (at >= 0) synced[at].len = about.st_size;
        }
        if (target >= 0) note(answer ? "ERROR" : "OK", path);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

int fsync(int fd) { return any_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return any_sync(fd, SYS_fdatasync); }

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) failed[fd] = 0;
    return (int)syscall(SYS_close, fd);
}
