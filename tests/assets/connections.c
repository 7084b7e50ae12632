/* Loaded into a process and its children with LD_PRELOAD: writes every attempt to reach another
 * machine, or to look up its name, to the file named in CONNECTIONS_LOG, and refuses it.
 *
 * What stays on this machine passes: Unix and netlink sockets, loopback addresses, localhost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void record(const char *call, const char *whom) {
    const char *path = getenv("CONNECTIONS_LOG");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0) {
        abort(); /* an attempt that cannot be recorded must not go unnoticed */
    }
    dprintf(file, "%s %s (process %d)\n", call, whom, (int)getpid());
    close(file);
}

/* Whether the address is another machine's; if so, record it. */
static int outside(const char *call, const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address == NULL) {
        return 0; /* a connected socket: its connect() was seen */
    }
    switch (address->sa_family) {
    case AF_UNSPEC:
    case AF_UNIX:
    case AF_NETLINK:
        return 0;
    case AF_INET: {
        const struct in_addr *ip = &((const struct sockaddr_in *)address)->sin_addr;
        if (ntohl(ip->s_addr) >> 24 == 127) {
            return 0;
        }
        inet_ntop(AF_INET, ip, text, sizeof text);
        break;
    }
    case AF_INET6: {
        const struct in6_addr *ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127)) {
            return 0;
        }
        inet_ntop(AF_INET6, ip, text, sizeof text);
        break;
    }
    default:
        snprintf(text, sizeof text, "family %d", address->sa_family);
    }
    record(call, text);
    errno = ENETUNREACH;
    return 1;
}

static int outside_name(const char *call, const char *name) {
    if (name == NULL || !strcmp(name, "localhost") || !strcmp(name, "127.0.0.1") ||
        !strcmp(name, "::1")) {
        return 0;
    }
    record(call, name);
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    return outside("connect", address) ? -1 : REAL(connect)(fd, address, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address,
               socklen_t length) {
    return outside("sendto", address) ? -1
                                      : REAL(sendto)(fd, data, size, flags, address, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return outside("sendmsg", message->msg_name) ? -1 : REAL(sendmsg)(fd, message, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    return outside_name("getaddrinfo", name) ? EAI_FAIL
                                             : REAL(getaddrinfo)(name, service, hints, found);
}
