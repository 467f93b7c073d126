/* TCP connections from their beginning to their end. */

#include "peer.h"
#include "scenarios.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

/* Both directions end, the peer's first. */
static void close_both(int fd, struct peer *p)
{
    char byte;
    struct segment s = from_peer(p, FIN | ACK);
    transmit(&s);
    p->seq += 1;
    CHECK(host.read(U, fd, &byte, 1) == 0);
    CHECK(host.close(U, fd) == 0);
    do {
        s = next();
    } while (!(s.flags & FIN));
    CHECK(s.seq == p->ack && s.ack == p->seq);
    p->ack += 1;
    s = from_peer(p, ACK);
    transmit(&s);
    FAILS(host.close(U, fd), EBADF);
}

void tcp_passive(void)
{
    struct peer p;
    struct sockaddr_storage from;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&from;
    socklen_t len = sizeof from;
    char buffer[100];
    int number = -1;

    start("local=192.0.2.1");
    int server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, (struct sockaddr *)&from, &len);
    CHECK(fd >= 0 && fd != server);
    CHECK(len == sizeof *v4 && v4->sin_family == AF_INET && ntohs(v4->sin_port) == 40000);
    CHECK(memcmp(&v4->sin_addr, p.here.address, 4) == 0);

    send_data(&p, "hello, ");
    send_data(&p, "stack");
    CHECK(host.ioctl(U, fd, FIONREAD, &number) == 0 && number == 12);
    CHECK(host.recv(U, fd, buffer, 5, MSG_PEEK) == 5);
    CHECK(host.read(U, fd, buffer, sizeof buffer) == 12);
    CHECK(memcmp(buffer, "hello, stack", 12) == 0);
    struct segment s;
    do {
        s = next();
    } while (s.ack != p.seq);

    CHECK(host.write(U, fd, "hello, peer", 11) == 11);
    CHECK(host.ioctl(U, fd, TIOCOUTQ, &number) == 0 && number == 11);
    expect_data(&p, "hello, peer");
    CHECK(host.ioctl(U, fd, TIOCOUTQ, &number) == 0 && number == 0);

    struct tcp_info info;
    len = sizeof info;
    memset(&info, 0xee, sizeof info);
    CHECK(host.getsockopt(U, fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    CHECK(info.tcpi_state == TCP_ESTABLISHED);
    CHECK(option_int(fd, SOL_SOCKET, SO_ERROR) == 0);

    CHECK(host.fcntl(U, fd, F_GETFL) == O_RDWR);
    CHECK(host.fcntl(U, fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    CHECK(host.fcntl(U, fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
    FAILS(host.read(U, fd, buffer, 1), EAGAIN);
    close_both(fd, &p);
}

/* Begins to connect; takes the SYN. */
static int begin(struct peer *p, int flags)
{
    struct sockaddr_storage to;
    *p = (struct peer){.here = place("198.51.100.1", 8080), .seq = 5000};
    socklen_t len = to_sockaddr(p->here, &to);
    int fd = host.socket(U, AF_INET, SOCK_STREAM | flags, IPPROTO_TCP);
    CHECK(fd >= 0);
    FAILS(host.connect(U, fd, (struct sockaddr *)&to, len), EINPROGRESS);
    FAILS(host.connect(U, fd, (struct sockaddr *)&to, len), EALREADY);
    struct segment s = next();
    CHECK(s.flags == SYN && s.to.port == 8080);
    p->there = s.from;
    p->ack = s.seq + 1;
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(host.poll(U, &polled, 1, 0) == 0 && polled.revents == 0);
    return fd;
}

void tcp_active(void)
{
    struct peer p;
    char buffer[10];

    start("local=192.0.2.1");
    int fd = begin(&p, SOCK_NONBLOCK);
    struct segment s = from_peer(&p, SYN | ACK);
    transmit(&s);
    p.seq += 1;
    s = next();
    CHECK(s.flags == ACK && s.seq == p.ack && s.ack == p.seq);
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(host.poll(U, &polled, 1, -1) == 1 && polled.revents == POLLOUT);
    CHECK(option_int(fd, SOL_SOCKET, SO_ERROR) == 0);

    CHECK(host.send(U, fd, "ping", 4, 0) == 4);
    expect_data(&p, "ping");
    send_data(&p, "pong");
    CHECK(host.recv(U, fd, buffer, sizeof buffer, MSG_DONTWAIT) == 4);
    CHECK(memcmp(buffer, "pong", 4) == 0);

    /* This side ends first. */
    CHECK(host.shutdown(U, fd, SHUT_WR) == 0);
    FAILS(host.send(U, fd, "x", 1, 0), EPIPE);
    do {
        s = next();
    } while (!(s.flags & FIN));
    p.ack += 1;
    s = from_peer(&p, FIN | ACK);
    transmit(&s);
    CHECK(host.read(U, fd, buffer, 1) == 0);
    CHECK(host.close(U, fd) == 0);
}

void tcp_refused(void)
{
    struct peer p;

    start("local=192.0.2.1");
    int fd = begin(&p, SOCK_NONBLOCK);
    struct segment s = from_peer(&p, RST | ACK);
    transmit(&s);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    CHECK(host.poll(U, &polled, 1, -1) == 1);
    CHECK(polled.revents & POLLERR);
    CHECK(option_int(fd, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
    CHECK(option_int(fd, SOL_SOCKET, SO_ERROR) == 0);

    /* Nobody listens here either. */
    struct peer stranger = {.here = place("198.51.100.1", 40000),
                            .there = place("192.0.2.1", 9),
                            .seq = 1};
    s = from_peer(&stranger, SYN);
    transmit(&s);
    s = next();
    CHECK(s.flags == (RST | ACK) && s.ack == 2);
}

void ipv6(void)
{
    struct peer p;
    struct sockaddr_storage from;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&from;
    socklen_t len = sizeof from;
    char buffer[10];

    start("local=fd3d:fa7b:d17d::1,192.0.2.1");
    int server = listening(IPPROTO_TCP, "fd3d:fa7b:d17d::1", 8080);
    connect_to(&p, "2001:db8::1", "fd3d:fa7b:d17d::1", 8080);
    int fd = host.accept(U, server, (struct sockaddr *)&from, &len);
    CHECK(fd >= 0 && len == sizeof *v6 && v6->sin6_family == AF_INET6);
    CHECK(memcmp(&v6->sin6_addr, p.here.address, 16) == 0);
    send_data(&p, "six");
    CHECK(host.read(U, fd, buffer, sizeof buffer) == 3 && memcmp(buffer, "six", 3) == 0);
    CHECK(host.write(U, fd, "vi", 2) == 2);
    expect_data(&p, "vi");
    close_both(fd, &p);

    /* A socket on every address hears of IPv4 as well, and shows it mapped (RFC 4291 2.5.5.2). */
    server = listening(IPPROTO_TCP, "::", 8081);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8081);
    len = sizeof from;
    fd = host.accept(U, server, (struct sockaddr *)&from, &len);
    const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1};
    CHECK(fd >= 0 && memcmp(&v6->sin6_addr, mapped, 16) == 0);
}

void vectors_and_messages(void)
{
    struct peer p;
    char first[4], second[10], control[64];
    struct iovec in[] = {{first, 4}, {second, sizeof second}};
    struct iovec out[] = {{"one", 3}, {NULL, 0}, {"two", 3}};
    struct sockaddr_storage from;
    socklen_t len = sizeof from;

    start("local=192.0.2.1");
    int server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(host.writev(U, fd, out, 3) == 6);
    expect_data(&p, "onetwo");
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 3};
    CHECK(host.sendmsg(U, fd, &message, 0) == 6);
    expect_data(&p, "onetwo");
    CHECK(host.sendto(U, fd, "three", 5, MSG_NOSIGNAL, NULL, 0) == 5);
    expect_data(&p, "three");

    send_data(&p, "123456");
    CHECK(host.readv(U, fd, in, 2) == 6);
    CHECK(memcmp(first, "1234", 4) == 0 && memcmp(second, "56", 2) == 0);
    send_data(&p, "abcdef");
    message = (struct msghdr){.msg_iov = in,
                              .msg_iovlen = 2,
                              .msg_control = control,
                              .msg_controllen = sizeof control,
                              .msg_flags = -1};
    CHECK(host.recvmsg(U, fd, &message, 0) == 6);
    CHECK(memcmp(first, "abcd", 4) == 0 && memcmp(second, "ef", 2) == 0);
    CHECK(message.msg_flags == 0 && message.msg_controllen == 0);
    send_data(&p, "xyz");
    CHECK(host.recvfrom(U, fd, first, 4, 0, (struct sockaddr *)&from, &len) == 3);
    CHECK(len == 0);
    /* Thrown away, without a place for it. */
    send_data(&p, "gone");
    CHECK(host.recv(U, fd, NULL, 100, MSG_TRUNC) == 4);
    FAILS(host.recv(U, fd, first, 4, MSG_DONTWAIT), EAGAIN);
    /* Connecting by sending is not there. */
    FAILS(host.sendto(U, fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&from, 16), EOPNOTSUPP);
}
