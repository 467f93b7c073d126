/* What can be set, and what goes wrong. */

#include "peer.h"
#include "scenarios.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

static struct segment syn_ack_of(const char *flags, const char *here, const char *there)
{
    /* Timestamps, SACK-permitted and a window scale. */
    const uint8_t options[] = {8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2, 3, 3, 2};
    struct peer p = {.here = place(here, 40000), .there = place(there, 8080), .seq = 1000};
    start(flags);
    listening(IPPROTO_TCP, there, 8080);
    return open_to(&p, options, sizeof options);
}

void several_addresses(void)
{
    struct peer p;
    start("local=192.0.2.1,192.0.2.2;fd00::1 backup=192.0.2.3 receive_timeout=50");
    listening(IPPROTO_TCP, "0.0.0.0", 8080);
    listening(IPPROTO_TCP, "fd00::1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.2", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.3", 8080);
    connect_to(&p, "2001:db8::1", "fd00::1", 8080);
    /* Others' addresses are not ours to answer for. */
    struct peer q = {.here = p.here, .there = place("fd00::2", 8080)};
    struct segment s = from_peer(&q, SYN);
    transmit(&s);
    nothing();
}

void settings(void)
{
    struct segment s = syn_ack_of("local=192.0.2.1 mss=1000 isn=77 window_scale=5",
                                  "198.51.100.1", "192.0.2.1");
    CHECK(s.seq == 77);
    CHECK(get(option_of(&s, 2) + 2, 2) == 1000);
    CHECK(option_of(&s, 3)[2] == 5);
    CHECK(option_of(&s, 4) && option_of(&s, 8));
    host.free(U);
    s = syn_ack_of("local=fd00::1 mss=1300 timestamps=off sack=off window_scale=off",
                   "2001:db8::1", "fd00::1");
    CHECK(get(option_of(&s, 2) + 2, 2) == 1300);
    CHECK(!option_of(&s, 3) && !option_of(&s, 4) && !option_of(&s, 8));
    host.free(U);
    /* The same seed gives the same numbers. */
    uint32_t first = syn_ack_of("local=192.0.2.1 virtual seed=7", "198.51.100.1", "192.0.2.1").seq;
    host.free(U);
    CHECK(syn_ack_of("local=192.0.2.1 virtual seed=7", "198.51.100.1", "192.0.2.1").seq == first);
    host.free(U);
    CHECK(syn_ack_of("local=192.0.2.1 virtual seed=8", "198.51.100.1", "192.0.2.1").seq != first);
}

void environment(void)
{
    struct peer p;
    CHECK(setenv("OPT_LOCAL_IP", "192.0.2.77", 1) == 0);
    start(NULL);
    listening(IPPROTO_TCP, "192.0.2.77", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.77", 8080);
    host.free(U);
    start("local=192.0.2.1");
    listening(IPPROTO_TCP, "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
}

void bad_flags(void)
{
    struct timeval now;
    const char *flags[] = {"local=nowhere", "local=192.0.2.1 colour=red", "\xff", ""};
    CHECK(unsetenv("OPT_LOCAL_IP") == 0);
    for (int i = 0; i < 4; i++) {
        start(flags[i]);
        FAILS(host.socket(U, AF_INET, SOCK_STREAM, 0), EINVAL);
        FAILS(host.gettimeofday(U, &now, NULL), EINVAL);
    }
}

void errors(void)
{
    struct sockaddr_storage at;
    char byte = 0;
    int number = 1;
    socklen_t len = sizeof at, four = 4;
    size_t size = 100;

    start("local=192.0.2.1 receive_timeout=50");
    FAILS(host.socket(U, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(host.socket(U, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    FAILS(host.socket(U, AF_INET, 99, 0), EINVAL);
    FAILS(host.bind(U, 99, NULL, 0), EBADF);
    FAILS(host.listen(U, 0, 1), EBADF);
    FAILS(host.accept(U, -1, NULL, NULL), EBADF);
    FAILS(host.connect(U, 99, NULL, 0), EBADF);
    FAILS(host.read(U, 99, NULL, 1), EBADF);
    FAILS(host.write(U, 99, NULL, 1), EBADF);
    FAILS(host.recvmsg(U, 99, NULL, 0), EBADF);
    FAILS(host.fcntl(U, 99, F_GETFL), EBADF);
    FAILS(host.ioctl(U, 99, FIONREAD, &number), EBADF);
    FAILS(host.getsockopt(U, 99, SOL_SOCKET, SO_ERROR, &number, &four), EBADF);
    FAILS(host.setsockopt(U, 99, SOL_SOCKET, SO_REUSEADDR, &number, 4), EBADF);
    FAILS(host.shutdown(U, 99, SHUT_WR), EBADF);
    FAILS(host.close(U, 99), EBADF);
    FAILS(host.epoll_create(U, 0), EINVAL);
    FAILS(host.pipe(U, NULL), EFAULT);
    FAILS(host.poll(U, NULL, 1, 0), EFAULT);
    CHECK(host.poll(U, NULL, 0, 0) == 0);

    int fd = host.socket(U, AF_INET, SOCK_STREAM, 0);
    len = to_sockaddr(place("192.0.2.9", 80), &at);
    FAILS(host.bind(U, fd, (struct sockaddr *)&at, len), EADDRNOTAVAIL);
    FAILS(host.bind(U, fd, NULL, len), EFAULT);
    FAILS(host.bind(U, fd, (struct sockaddr *)&at, 3), EINVAL);
    FAILS(host.accept(U, fd, NULL, NULL), EINVAL);
    FAILS(host.shutdown(U, fd, 9), EINVAL);
    FAILS(host.shutdown(U, fd, SHUT_WR), ENOTCONN);
    FAILS(host.read(U, fd, &byte, 1), ENOTCONN);
    FAILS(host.read(U, fd, NULL, 1), EFAULT);
    FAILS(host.readv(U, fd, NULL, 1), EFAULT);
    FAILS(host.readv(U, fd, NULL, -1), EINVAL);
    FAILS(host.writev(U, fd, NULL, 1 << 20), EINVAL);
    FAILS(host.sendmsg(U, fd, NULL, 0), EFAULT);
    FAILS(host.getsockopt(U, fd, SOL_SOCKET, SO_ERROR, &number, NULL), EFAULT);
    FAILS(host.getsockopt(U, fd, SOL_SOCKET, SO_ERROR, NULL, &four), EFAULT);
    FAILS(host.getsockopt(U, fd, SOL_SOCKET, 9999, &number, &four), ENOPROTOOPT);
    FAILS(host.setsockopt(U, fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4), EFAULT);
    FAILS(host.fcntl(U, fd, 9999, 0), EINVAL);
    FAILS(host.ioctl(U, fd, 9999, &number), ENOTTY);
    FAILS(host.ioctl(U, fd, FIONREAD, NULL), EFAULT);
    CHECK(host.ioctl(U, fd, FIONBIO, &number) == 0 && host.fcntl(U, fd, F_GETFL) & O_NONBLOCK);
    CHECK(host.fcntl(U, fd, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(host.fcntl(U, fd, F_GETFD) == FD_CLOEXEC);

    int server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    FAILS(host.connect(U, server, (struct sockaddr *)&at, len), EOPNOTSUPP);
    len = to_sockaddr(place("192.0.2.1", 8080), &at);
    FAILS(host.bind(U, fd, (struct sockaddr *)&at, len), EADDRINUSE);

    FAILS(host.netdev_send(U, NULL, 10), EFAULT);
    FAILS(host.netdev_send(U, &byte, 0), EINVAL);
    FAILS(host.netdev_receive(U, &byte, NULL, NULL), EFAULT);
    FAILS(host.netdev_receive(U, NULL, &size, NULL), EFAULT);
    CHECK(host.gettimeofday(U, NULL, NULL) == 0);
}

void bad_packets(void)
{
    uint8_t packet[2048], buffer[2048];
    struct peer p = {.here = place("198.51.100.1", 40000),
                     .there = place("192.0.2.1", 8080),
                     .seq = 1000};
    struct segment s = from_peer(&p, SYN);
    size_t len = build(&s, packet), size = 10;

    start("local=192.0.2.1 receive_timeout=50");
    listening(IPPROTO_TCP, "192.0.2.1", 8080);
    /* Any beginning of a packet, and any byte of it changed: nothing is answered. */
    for (size_t i = 1; i < len; i++)
        CHECK(host.netdev_send(U, packet, i) == 0);
    for (size_t i = 20; i < len; i++) {
        memcpy(buffer, packet, len);
        buffer[i] ^= 0x55;
        CHECK(host.netdev_send(U, buffer, len) == 0);
    }
    nothing();
    /* A packet that does not fit stays. */
    CHECK(host.netdev_send(U, packet, len) == 0);
    FAILS(host.netdev_receive(U, buffer, &size, NULL), EMSGSIZE);
    s = next();
    CHECK(s.flags == (SYN | ACK));
}

/* Hosts know nothing of each other, and none can be used once it is freed. */
void hosts(void)
{
    start("local=192.0.2.1");
    struct packetdrill_interface first = host;
    int fd = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    start("local=192.0.2.1");
    CHECK(first.userdata != U);
    FAILS(host.close(U, fd), EBADF);
    CHECK(first.close(first.userdata, fd) == 0);
    first.free(first.userdata);
    FAILS(first.socket(first.userdata, AF_INET, SOCK_STREAM, 0), EINVAL);
    first.free(first.userdata);
    FAILS(host.socket(NULL, AF_INET, SOCK_STREAM, 0), EINVAL);
}
