/* Calls that wait, poll, epoll, pipes. */

#include "peer.h"
#include "scenarios.h"

#include <fcntl.h>
#include <netinet/in.h>

static struct peer p;
static int server;

static void *accept_and_read(void *read_at_all)
{
    static char buffer[100];
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(fd >= 0);
    ssize_t len = host.recv(U, fd, buffer, 8, read_at_all ? MSG_WAITALL : 0);
    CHECK(len == 8 && memcmp(buffer, "in parts", 8) == 0);
    CHECK(host.read(U, fd, buffer, sizeof buffer) == 0);
    CHECK(host.close(U, fd) == 0);
    return NULL;
}

static void *connect_and_wait(void *unused)
{
    struct sockaddr_storage to;
    socklen_t len = to_sockaddr(place("198.51.100.1", 80), &to);
    int fd = host.socket(U, AF_INET, SOCK_STREAM, 0);
    (void)unused;
    CHECK(host.connect(U, fd, (struct sockaddr *)&to, len) == 0);
    FAILS(host.connect(U, fd, (struct sockaddr *)&to, len), EISCONN);
    return NULL;
}

static void *receive_one(void *flags)
{
    struct segment s;
    do {
        s = next();
    } while (s.to.port != 1);
    CHECK(s.flags == *(uint8_t *)flags);
    return NULL;
}

static void *wait_for_the_end(void *fd)
{
    char byte;
    FAILS(host.read(U, *(int *)fd, &byte, 1), EBADF);
    return NULL;
}

void blocked_threads(void)
{
    start("local=192.0.2.1");
    server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    pthread_t thread = sleeping(accept_and_read, "all");
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    send_data(&p, "in ");
    send_data(&p, "parts");
    struct segment s = from_peer(&p, FIN | ACK);
    transmit(&s);
    CHECK(pthread_join(thread, NULL) == 0);

    thread = sleeping(connect_and_wait, NULL);
    do {
        s = next();
    } while (s.flags != SYN);
    struct peer q = {.here = s.to, .there = s.from, .seq = 1, .ack = s.seq + 1};
    s = from_peer(&q, SYN | ACK);
    transmit(&s);
    CHECK(pthread_join(thread, NULL) == 0);
    q.seq += 1;

    /* A packet that is waited for before it is sent. */
    uint8_t wanted = RST | ACK;
    do {
        s = next();
    } while (s.to.port != 80);
    thread = sleeping(receive_one, &wanted);
    struct peer stranger = {.here = place("198.51.100.9", 1), .there = place("192.0.2.1", 9)};
    s = from_peer(&stranger, SYN);
    transmit(&s);
    CHECK(pthread_join(thread, NULL) == 0);

    /* A descriptor that is closed under a call. */
    int fd = listening(IPPROTO_TCP, "192.0.2.1", 8082);
    int ends[2];
    CHECK(host.close(U, fd) == 0 && host.pipe(U, ends) == 0);
    thread = sleeping(wait_for_the_end, &ends[0]);
    CHECK(host.close(U, ends[0]) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void *accept_in_vain(void *unused)
{
    (void)unused;
    FAILS(host.accept(U, server, NULL, NULL), ECANCELED);
    return NULL;
}

/* A host that is freed ends the calls that wait in it. */
void freed(void)
{
    for (int virtual = 0; virtual < 2; virtual++) {
        start(virtual ? "local=192.0.2.1 virtual" : "local=192.0.2.1");
        server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
        pthread_t thread = sleeping(accept_in_vain, NULL);
        host.free(U);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

void readiness(void)
{
    start("local=192.0.2.1 receive_timeout=100");
    server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    CHECK(host.fcntl(U, server, F_SETFL, O_NONBLOCK) == 0);
    FAILS(host.accept(U, server, NULL, NULL), EAGAIN);
    int set = host.epoll_create(U, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, told[4];
    CHECK(host.epoll_ctl(U, set, EPOLL_CTL_ADD, server, &event) == 0);
    FAILS(host.epoll_ctl(U, set, EPOLL_CTL_ADD, server, &event), EEXIST);
    CHECK(host.epoll_wait(U, set, told, 4, 0) == 0);

    struct pollfd polled[] = {{.fd = server, .events = POLLIN}, {.fd = -1}, {.fd = 12}};
    CHECK(host.poll(U, polled, 2, 0) == 0);
    long long before = micros();
    CHECK(host.poll(U, polled, 2, 30) == 0 && micros() - before >= 30000);
    CHECK(host.poll(U, polled, 3, -1) == 1 && polled[2].revents == POLLNVAL);

    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    CHECK(host.epoll_wait(U, set, told, 4, -1) == 1);
    CHECK(told[0].events == EPOLLIN && told[0].data.u64 == event.data.u64);
    CHECK(host.poll(U, polled, 2, -1) == 1 && polled[0].revents == POLLIN);

    int fd = host.accept(U, server, NULL, NULL);
    CHECK(fd >= 0 && host.epoll_wait(U, set, told, 4, 0) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP, .data.fd = fd};
    CHECK(host.epoll_ctl(U, set, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(host.epoll_wait(U, set, told, 4, -1) == 1 && told[0].events == EPOLLOUT);
    send_data(&p, "x");
    CHECK(host.epoll_wait(U, set, told, 4, -1) == 1);
    CHECK(told[0].events == (EPOLLIN | EPOLLOUT) && told[0].data.fd == fd);
    struct segment s = from_peer(&p, FIN | ACK);
    transmit(&s);
    CHECK(host.epoll_wait(U, set, told, 4, -1) == 1);
    CHECK(told[0].events == (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
    event.events = EPOLLRDHUP;
    CHECK(host.epoll_ctl(U, set, EPOLL_CTL_MOD, fd, &event) == 0);
    CHECK(host.epoll_wait(U, set, told, 4, -1) == 1 && told[0].events == EPOLLRDHUP);
    CHECK(host.close(U, fd) == 0);
    CHECK(host.epoll_wait(U, set, told, 4, 0) == 0);
    FAILS(host.epoll_ctl(U, set, EPOLL_CTL_DEL, fd, &event), EBADF);
}

void edges(void)
{
    start("local=192.0.2.1");
    server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, NULL, NULL);
    int set = host.epoll_create(U, 1), outer = host.epoll_create(U, 1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd}, told[2];
    char byte;
    CHECK(host.epoll_ctl(U, set, EPOLL_CTL_ADD, fd, &event) == 0);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = set};
    CHECK(host.epoll_ctl(U, outer, EPOLL_CTL_ADD, set, &event) == 0);
    FAILS(host.epoll_ctl(U, set, EPOLL_CTL_ADD, outer, &event), ELOOP);
    FAILS(host.epoll_ctl(U, set, EPOLL_CTL_ADD, set, &event), EINVAL);

    CHECK(host.epoll_wait(U, outer, told, 2, 0) == 0);
    send_data(&p, "a");
    CHECK(host.epoll_wait(U, outer, told, 2, -1) == 1 && told[0].data.fd == set);
    CHECK(host.epoll_wait(U, set, told, 2, -1) == 1 && told[0].events == EPOLLIN);
    CHECK(host.epoll_wait(U, set, told, 2, 0) == 0);
    send_data(&p, "b");
    CHECK(host.epoll_wait(U, set, told, 2, -1) == 1);
    CHECK(host.read(U, fd, &byte, 1) == 1 && host.read(U, fd, &byte, 1) == 1);
    CHECK(host.epoll_wait(U, set, told, 2, 0) == 0);
    FAILS(host.epoll_wait(U, set, told, 0, 0), EINVAL);
    FAILS(host.epoll_wait(U, fd, told, 1, 0), EINVAL);
    FAILS(host.epoll_wait(U, set, NULL, 1, 0), EFAULT);
    FAILS(host.read(U, set, &byte, 1), EINVAL);
}

void pipes(void)
{
    int ends[2];
    char buffer[10];
    loff_t none = 0, some = 1;

    start("local=192.0.2.1");
    server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(host.pipe(U, ends) == 0);
    CHECK(host.write(U, ends[1], "through", 7) == 7);
    CHECK(host.read(U, ends[0], buffer, 3) == 3 && memcmp(buffer, "thr", 3) == 0);
    /* To the network, with the places that the tool always gives. */
    CHECK(host.splice(U, ends[0], &none, fd, &none, 100, 0) == 4);
    expect_data(&p, "ough");
    /* And from there. */
    send_data(&p, "back");
    CHECK(host.splice(U, fd, NULL, ends[1], NULL, 3, 0) == 3);
    CHECK(host.splice(U, fd, NULL, ends[1], NULL, 3, 0) == 1);
    FAILS(host.splice(U, fd, NULL, ends[1], NULL, 3, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(host.read(U, ends[0], buffer, sizeof buffer) == 4 && memcmp(buffer, "back", 4) == 0);
    FAILS(host.splice(U, fd, NULL, fd, NULL, 3, 0), EINVAL);
    FAILS(host.splice(U, ends[0], &some, fd, NULL, 3, 0), ESPIPE);
    FAILS(host.splice(U, ends[1], NULL, fd, NULL, 3, 0), EBADF);

    CHECK(host.fcntl(U, ends[0], F_SETFL, O_NONBLOCK) == 0);
    FAILS(host.read(U, ends[0], buffer, 1), EAGAIN);
    FAILS(host.read(U, ends[1], buffer, 1), EBADF);
    FAILS(host.send(U, ends[1], buffer, 1, 0), ENOTSOCK);
    CHECK(host.close(U, ends[1]) == 0);
    CHECK(host.read(U, ends[0], buffer, 1) == 0);
    CHECK(host.close(U, ends[0]) == 0);
}
