/* Virtual time. */

#include "peer.h"
#include "scenarios.h"

#include <netinet/in.h>
#include <time.h>

static long long real_micros(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void begin_to_connect(void)
{
    struct sockaddr_storage to;
    socklen_t len = to_sockaddr(place("198.51.100.1", 80), &to);
    int fd = host.socket(U, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
    FAILS(host.connect(U, fd, (struct sockaddr *)&to, len), EINPROGRESS);
}

void virtual_time(void)
{
    start("local=192.0.2.1 virtual seed=1");
    long long begin = micros(), real = real_micros();
    CHECK(host.usleep(U, 1000000) == 0);
    CHECK(micros() == begin + 1000000);
    /* Who asks again and again waits for time to pass. */
    CHECK(micros() == begin + 1000001 && micros() == begin + 1000002);

    begin = micros();
    begin_to_connect();
    /* RFC 6298: after a second, and then after twice as long. */
    const long long after[] = {0, 1, 3, 7};
    for (int i = 0; i < 4; i++) {
        struct segment s = next();
        CHECK(s.flags == SYN);
        CHECK(last_micros == begin + after[i] * 1000000);
        CHECK(micros() == last_micros);
        CHECK(host.usleep(U, 1) == 0);
    }
    /* What is sent while somebody sleeps has the time of its sending. */
    CHECK(host.usleep(U, 20 * 1000000) == 0);
    next();
    CHECK(last_micros == begin + 15 * 1000000);
    /* Nothing is left to come: time does not pass for nothing. */
    start("local=192.0.2.1 virtual");
    begin = micros();
    nothing();
    CHECK(micros() - begin <= 1);
    CHECK(real_micros() - real < 10 * 1000000);
}

void virtual_waits(void)
{
    struct peer p;
    char buffer[4];

    start("local=192.0.2.1 virtual seed=1");
    int server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    struct pollfd polled = {.fd = server, .events = POLLIN};
    long long begin = micros();
    CHECK(host.poll(U, &polled, 1, 5000) == 0);
    CHECK(micros() == begin + 5000000);
    int set = host.epoll_create(U, 1);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(host.epoll_ctl(U, set, EPOLL_CTL_ADD, server, &event) == 0);
    CHECK(host.epoll_wait(U, set, &event, 1, 500) == 0);
    CHECK(micros() == begin + 5500000);

    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(fd >= 0);
    struct timeval limit = {.tv_sec = 2};
    CHECK(host.setsockopt(U, fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    begin = micros();
    FAILS(host.read(U, fd, buffer, 4), EAGAIN);
    CHECK(micros() == begin + 2000000);
}

static long long woken_at;
static int server;

static void *accept_late(void *unused)
{
    (void)unused;
    CHECK(host.accept(U, server, NULL, NULL) >= 0);
    woken_at = micros();
    return NULL;
}

static void *poll_long(void *unused)
{
    struct pollfd polled = {.fd = server, .events = POLLIN};
    (void)unused;
    CHECK(host.poll(U, &polled, 1, 250) == 0);
    woken_at = micros();
    return NULL;
}

/* A thread that waits ends at the time of what ended its waiting, however soon time goes on. */
void virtual_threads(void)
{
    struct peer p;

    start("local=192.0.2.1 virtual seed=1");
    server = listening(IPPROTO_TCP, "192.0.2.1", 8080);
    pthread_t thread = sleeping(accept_late, NULL);
    CHECK(host.usleep(U, 100000) == 0);
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    long long then = micros();
    CHECK(host.usleep(U, 3000000) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(woken_at >= then && woken_at - then < 1000);

    then = micros();
    thread = sleeping(poll_long, NULL);
    CHECK(host.usleep(U, 1000000) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(woken_at - then >= 250000 && woken_at - then < 251000);
}
