/* What the test programs have in common: two stacks joined by two links, and checks that say where they
 * failed. */

#ifndef COMMON_H
#define COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <umptcp.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno,   \
                    strerror(errno));                                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call fails with this errno. */
#define FAILS(call, number)                                                                        \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long failed_result = (long)(call);                                                         \
        if (failed_result != -1 || errno != (number)) {                                            \
            fprintf(stderr, "%s:%d: %s gives %ld, errno %d (%s) instead of %s\n", __FILE__,        \
                    __LINE__, #call, failed_result, errno, strerror(errno), #number);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *const SERVER = "10.0.0.2";
static const char *const CLIENT = "10.0.0.1";

struct hosts {
    ump_stack *client;
    ump_stack *server;
};

static inline struct hosts start_hosts(void)
{
    struct hosts hosts;
    CHECK(ump_stack_new_pair("10.0.0.1;10.0.1.1", "10.0.0.2;10.0.1.2", &hosts.client,
                             &hosts.server) == 0);
    return hosts;
}

static inline void stop_hosts(struct hosts hosts)
{
    CHECK(ump_stack_free(hosts.client) == 0);
    CHECK(ump_stack_free(hosts.server) == 0);
}

static inline struct sockaddr_in at(const char *address, uint16_t port)
{
    struct sockaddr_in result;
    memset(&result, 0, sizeof result);
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    CHECK(inet_pton(AF_INET, address, &result.sin_addr) == 1);
    return result;
}

#define ADDRESS(value) (const struct sockaddr *)&(value), sizeof(value)

static inline int new_socket(ump_stack *stack, int flags)
{
    int fd = ump_socket(stack, AF_INET, SOCK_STREAM | flags, UMP_IPPROTO_MPTCP);
    CHECK(fd >= 0);
    return fd;
}

/* A listening socket, and where it listens. */
static inline int listen_on(ump_stack *stack, const char *address, uint16_t port,
                            struct sockaddr_in *local)
{
    int fd = new_socket(stack, SOCK_CLOEXEC);
    *local = at(address, port);
    CHECK(ump_bind(fd, ADDRESS(*local)) == 0);
    CHECK(ump_listen(fd, 128) == 0);
    socklen_t len = sizeof *local;
    CHECK(ump_getsockname(fd, (struct sockaddr *)local, &len) == 0);
    CHECK(len == sizeof *local);
    return fd;
}

struct connection {
    int client;
    int server;
};

/* A connection between the two hosts, both ends of it. */
static inline struct connection connect_hosts(struct hosts hosts, int listener,
                                              struct sockaddr_in address)
{
    struct connection connection;
    connection.client = new_socket(hosts.client, SOCK_CLOEXEC);
    CHECK(ump_connect(connection.client, ADDRESS(address)) == 0);
    connection.server = ump_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(connection.server >= 0);
    return connection;
}

static inline void set_nonblocking(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    CHECK(flags >= 0);
    CHECK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

/* Waits until poll says one of these. */
static inline short wait_for(int fd, short events)
{
    struct pollfd waited = {fd, events, 0};
    int ready = poll(&waited, 1, 20000);
    CHECK(ready == 1);
    return waited.revents;
}

/* What poll says now. */
static inline short ready_now(int fd)
{
    struct pollfd asked = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    CHECK(poll(&asked, 1, 0) >= 0);
    return asked.revents;
}

static inline void write_all(int fd, const void *data, size_t len)
{
    const char *at_byte = data;
    while (len > 0) {
        ssize_t written = write(fd, at_byte, len);
        CHECK(written > 0);
        at_byte += written;
        len -= (size_t)written;
    }
}

static inline void read_all(int fd, void *data, size_t len)
{
    char *at_byte = data;
    while (len > 0) {
        ssize_t got = read(fd, at_byte, len);
        CHECK(got > 0);
        at_byte += got;
        len -= (size_t)got;
    }
}

static inline int error_of(int fd)
{
    int error = -1;
    socklen_t len = sizeof error;
    CHECK(ump_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    CHECK(len == sizeof error);
    return error;
}

static inline int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static inline double seconds(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nothing may hang: a test that does is ended by this signal. */
static inline void limit_time(void)
{
    alarm(120);
    signal(SIGPIPE, SIG_IGN);
}

#endif
