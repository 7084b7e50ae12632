/* Loaded into a process and its children with LD_PRELOAD: shifts the time of day by as many seconds
 * as the eight bytes of the file named in CLOCK_OFFSET say, now and whenever they change.
 *
 * The monotonic clock goes on as it is, as when somebody sets the time of a machine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_s;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        abort(); /* a test that shifts nothing would pass for no reason */
    }
    offset_s = mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (offset_s == MAP_FAILED) {
        abort();
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) real;
    if (real == NULL) {
        real = REAL(clock_gettime);
    }
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && offset_s) {
        now->tv_sec += *offset_s;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = REAL(gettimeofday)(now, zone);
    if (result == 0 && offset_s) {
        now->tv_sec += *offset_s;
    }
    return result;
}

time_t time(time_t *now) {
    time_t shifted = REAL(time)(NULL) + (offset_s ? *offset_s : 0);
    if (now != NULL) {
        *now = shifted;
    }
    return shifted;
}
