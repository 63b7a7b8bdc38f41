/* Preloaded into a scheduler under test: writes down, for each file that was synced, its inode and how
 * long it was when the sync began. What lies beyond may be gone after a power cut. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int log_file(void) {
    static int file = -1;
    const char *path = getenv("ROTA_SYNC_LOG");
    if (file < 0 && path) file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return file;
}

static int sync_and_note(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(fd, &before) == 0;
    int outcome = real(fd);
    if (outcome == 0 && known && log_file() >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)before.st_ino,
                              (long long)before.st_size);
        if (write(log_file(), line, (size_t)length) != length) abort();
    }
    return outcome;
}

int fsync(int fd) { return sync_and_note("fsync", fd); }
int fdatasync(int fd) { return sync_and_note("fdatasync", fd); }
