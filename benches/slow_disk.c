// Imitates a slow disk: preloaded, it adds 2 ms to every fsync and fdatasync.
//     cc -O2 -shared -fPIC -o target/slow_disk.so benches/slow_disk.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void wait_for_the_disk(void) {
    struct timespec span = {0, 2000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &span, 0);
}

int fsync(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return next(file);
}

int fdatasync(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return next(file);
}
