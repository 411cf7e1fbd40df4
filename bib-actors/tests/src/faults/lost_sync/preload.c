/* Makes one chosen fsync or fdatasync of a process fail with EIO, and loses what it did not write.
 *
 * Preloaded into a program. Looks at files below BIB_SYNC_DIR, but not below its folder "postgres". A failed call puts
 * back what was written in place since the last good one, and leaves a regular file as long as it was then: so it is after a
 * power cut, and so a kernel that drops pages which it could not write shows it sooner or later.
 *
 * The file BIB_SYNC_CONTROL holds "TURN NUMBER PART": the NUMBER-th call on that part of the folder fails, none for 0. They
 * are counted from where TURN has changed. A part is the first name below BIB_SYNC_DIR, "." for that folder itself, with a
 * slash behind it when the call is for a folder; "notes" are those that only say how far something was at some time.
 *
 * Everything that happens is a line of BIB_SYNC_LOG: what, part, path, separated by tabs. OK and FAILED are syncs; NAMED is
 * a rename, with the earlier name behind it, and MADE a new folder. What must never be is ERROR, a sync that the system
 * failed; RETRY, a sync of a descriptor on which one failed before; NOT-LOST, when this could not do its work. */
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
#define PART 256

struct old { struct old *next; dev_t dev; ino_t ino; off_t at; size_t len; char bytes[]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { dev_t dev; ino_t ino; off_t len; int used; } synced[FILES];
static struct old *olds;
static unsigned char failed[DESCRIPTORS];
static long turn, counted;

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

static const char *below(const char *path) {
    const char *dir = getenv("BIB_SYNC_DIR");
    size_t most = dir ? strlen(dir) : 0;
    if (!most || strncmp(path, dir, most) || (path[most] && path[most] != '/')) return NULL;
    return strncmp(path + most, "/postgres", 9) ? path + most : NULL;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    if (len <= 0) return 0;
    path[len] = 0;
    return below(path) != NULL;
}

static int is_note(const char *rest) {
    static const char *notes[] = {"/audit/mark.tmp",        "/audit/mark",       "/audit/passed.tmp", "/audit/passed",
                                  "/manifests/tmp/catalog", "/manifests/catalog"};
    for (size_t n = 0; n < sizeof notes / sizeof *notes; n++) if (!strcmp(rest, notes[n])) return 1;
    return !strncmp(rest, "/run/", 5);
}

static void part_of(const char *path, int folder, char *part) {
    const char *rest = below(path);
    if (!rest || is_note(rest)) {
        strcpy(part, "notes");
        return;
    }
    while (*rest == '/') rest++;
    size_t len = strcspn(rest, "/");
    if (len > PART - 3) len = PART - 3;
    memcpy(part, rest, len);
    part[len] = 0;
    if (!len) strcpy(part, ".");
    /* a file that has its name when it is whole */
    char *ending = strrchr(part, '.');
    if (len && ending && !strcmp(ending, ".tmp")) *ending = 0;
    if (folder) strcat(part, "/");
}

static void note(const char *what, const char *part, const char *path, const char *from) {
    const char *name = getenv("BIB_SYNC_LOG");
    if (!name) return;
    int out = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) return;
    char line[2 * PATH_MAX + PART + 64];
    int len = snprintf(line, sizeof line, "%s\t%s\t%s%s%s\n", what, part, path, from ? "\t" : "", from ? from : "");
    if (write(out, line, (size_t)len) < 0) { /* the scenario sees a log that is too short */ }
    syscall(SYS_close, out);
}

/* Whether this sync of a part is the one that is to fail. */
static int is_chosen(const char *part) {
    const char *name = getenv("BIB_SYNC_CONTROL");
    if (!name) return 0;
    int in = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (in < 0) return 0;
    char text[PART + 64] = {0}, wanted[PART + 64] = {0};
    ssize_t len = read(in, text, sizeof text - 1);
    syscall(SYS_close, in);
    long now = 0, number = 0;
    if (len <= 0 || sscanf(text, "%ld %ld %s", &now, &number, wanted) != 3) return 0;
    if (now != turn) {
        turn = now;
        counted = 0;
    }
    return !strcmp(part, wanted) && ++counted == number;
}

/* Forgets what a file had before, or puts it back. */
static int settle(int fd, const struct stat *about, int put_back) {
    int good = 1;
    for (struct old **at = &olds; *at;) {
        struct old *one = *at;
        if (one->dev != about->st_dev || one->ino != about->st_ino) {
            at = &one->next;
            continue;
        }
        if (put_back && syscall(SYS_pwrite64, fd, one->bytes, one->len, one->at) != (long)one->len) good = 0;
        *at = one->next;
        free(one);
    }
    return good;
}

static int any_sync(int fd, long number) {
    char path[PATH_MAX], part[PART];
    if (!path_of(fd, path)) return (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    int answer = 0, saved = 0;
    struct stat about;
    int known = !fstat(fd, &about), regular = known && S_ISREG(about.st_mode);
    part_of(path, known && S_ISDIR(about.st_mode), part);
    if (fd >= 0 && fd < DESCRIPTORS && failed[fd]) note("RETRY", part, path, NULL);
    if (is_chosen(part)) {
        if (regular) {
            int lost = settle(fd, &about, 1);
            long at = slot_of(about.st_dev, about.st_ino, 0);
            off_t len = at < 0 ? 0 : synced[at].len;
            if (len < about.st_size && ftruncate(fd, len)) lost = 0;
            if (!lost) note("NOT-LOST", part, path, NULL);
        }
        if (fd >= 0 && fd < DESCRIPTORS) failed[fd] = 1;
        note("FAILED", part, path, NULL);
        answer = -1;
        saved = EIO;
    } else {
        answer = (int)syscall(number, fd);
        saved = errno;
        if (!answer && regular) {
            settle(fd, &about, 0);
            long at = slot_of(about.st_dev, about.st_ino, 1);
            if (at >= 0) synced[at].len = about.st_size;
        }
        note(answer ? "ERROR" : "OK", part, path, NULL);
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

/* Keeps what stands where something is written. Whoever writes may not read, so the file is opened once more. */
static void keep_old(int fd, size_t len, off_t at) {
    struct stat about;
    if (fstat(fd, &about) || !S_ISREG(about.st_mode) || at >= about.st_size) return;
    if ((off_t)len > about.st_size - at) len = (size_t)(about.st_size - at);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int in = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    struct old *one = in < 0 ? NULL : malloc(sizeof *one + len);
    if (one && syscall(SYS_pread64, in, one->bytes, len, at) == (long)len) {
        one->next = olds;
        one->dev = about.st_dev;
        one->ino = about.st_ino;
        one->at = at;
        one->len = len;
        olds = one;
    } else {
        free(one);
    }
    if (in >= 0) syscall(SYS_close, in);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return syscall(SYS_pwrite64, fd, bytes, len, at);
    pthread_mutex_lock(&lock);
    keep_old(fd, len, at);
    ssize_t answer = syscall(SYS_pwrite64, fd, bytes, len, at);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { return pwrite64(fd, bytes, len, at); }

int rename(const char *from, const char *to) {
    char part[PART];
    if (!below(to)) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    int answer = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), saved = errno;
    part_of(to, 0, part);
    if (!answer) note("NAMED", part, to, from);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

int mkdir(const char *path, mode_t mode) {
    char part[PART];
    if (!below(path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    int answer = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode), saved = errno;
    part_of(path, 1, part);
    if (!answer) note("MADE", part, path, NULL);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}
