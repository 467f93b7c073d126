#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>

struct packetdrill_interface host;
long long last_micros;
static uint8_t received[65536];

struct place place(const char *address, uint16_t port)
{
    struct place made = {.family = strchr(address, ':') ? AF_INET6 : AF_INET, .port = port};
    CHECK(inet_pton(made.family, address, made.address) == 1);
    return made;
}

socklen_t to_sockaddr(struct place from, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (from.family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)to;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(from.port);
        memcpy(&v4->sin_addr, from.address, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(from.port);
    memcpy(&v6->sin6_addr, from.address, 16);
    return sizeof *v6;
}

struct segment next(void)
{
    struct segment s;
    size_t len = sizeof received;
    CHECK(host.netdev_receive(U, received, &len, &last_micros) == 0);
    CHECK(len != 0);
    CHECK(parse(received, len, &s) == 0);
    return s;
}

void nothing(void)
{
    size_t len = sizeof received;
    CHECK(host.netdev_receive(U, received, &len, &last_micros) == 0);
    CHECK(len == 0);
}

void transmit(const struct segment *s)
{
    uint8_t packet[2048];
    CHECK(host.netdev_send(U, packet, build(s, packet)) == 0);
}

struct segment from_peer(const struct peer *p, uint8_t flags)
{
    struct segment s = {
        .from = p->here,
        .to = p->there,
        .seq = p->seq,
        .ack = flags & ACK ? p->ack : 0,
        .flags = flags,
        .window = 65535,
    };
    return s;
}

void send_data(struct peer *p, const char *text)
{
    struct segment s = from_peer(p, ACK | PSH);
    s.payload = (const uint8_t *)text;
    s.payload_len = strlen(text);
    transmit(&s);
    p->seq += (uint32_t)s.payload_len;
}

void expect_data(struct peer *p, const char *text)
{
    struct segment s;
    do {
        s = next();
        CHECK(s.flags & ACK);
        /* On a machine that is busy, what was acknowledged late came twice. */
    } while ((s.payload_len == 0 && !(s.flags & FIN)) || (int32_t)(s.seq - p->ack) < 0);
    CHECK(s.seq == p->ack);
    CHECK(s.payload_len == strlen(text) && memcmp(s.payload, text, s.payload_len) == 0);
    p->ack += (uint32_t)s.payload_len;
    s = from_peer(p, ACK);
    transmit(&s);
}

struct segment open_to(struct peer *p, const uint8_t *options, size_t len)
{
    struct segment s = from_peer(p, SYN);
    const uint8_t mss[] = {2, 4, 0x05, 0xb4};
    memcpy(s.options, mss, sizeof mss);
    if (len)
        memcpy(s.options + sizeof mss, options, len);
    s.options_len = sizeof mss + len;
    transmit(&s);
    p->seq += 1;

    do {
        s = next();
    } while (s.to.port != p->here.port);
    CHECK(s.flags == (SYN | ACK));
    CHECK(s.ack == p->seq);
    CHECK(s.from.port == p->there.port && s.to.port == p->here.port);
    CHECK(memcmp(s.from.address, p->there.address, 16) == 0);
    CHECK(memcmp(s.to.address, p->here.address, 16) == 0);
    CHECK(option_of(&s, 2) != NULL);
    p->ack = s.seq + 1;
    return s;
}

void connect_to(struct peer *p, const char *here, const char *there, uint16_t port)
{
    *p = (struct peer){.here = place(here, 40000), .there = place(there, port), .seq = 1000};
    open_to(p, NULL, 0);
    struct segment s = from_peer(p, ACK);
    transmit(&s);
}

int listening(int protocol, const char *address, uint16_t port)
{
    struct sockaddr_storage at;
    struct place where = place(address, port);
    socklen_t len = to_sockaddr(where, &at);
    int fd = host.socket(U, where.family, SOCK_STREAM, protocol);
    CHECK(fd >= 0);
    CHECK(host.bind(U, fd, (struct sockaddr *)&at, len) == 0);
    CHECK(host.listen(U, fd, 5) == 0);
    return fd;
}

struct beginning {
    void *(*run)(void *);
    void *argument;
    atomic_int thread;
};

static void *begin(void *pointer)
{
    struct beginning *beginning = pointer;
    void *(*run)(void *) = beginning->run;
    void *argument = beginning->argument;
    atomic_store(&beginning->thread, gettid());
    return run(argument);
}

/* The state of a thread as the kernel shows it (proc(5)): a letter after the name in brackets. One
 * that is gone counts as sleeping. */
static char state_of(int thread)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "r");
    char *read = file ? fgets(text, sizeof text, file) : NULL;
    if (file)
        fclose(file);
    if (!read)
        return 'S';
    const char *name_end = strrchr(text, ')');
    CHECK(name_end != NULL);
    return name_end[2];
}

pthread_t sleeping(void *(*run)(void *), void *argument)
{
    static struct beginning beginning;
    pthread_t thread;
    beginning.run = run;
    beginning.argument = argument;
    atomic_store(&beginning.thread, 0);
    CHECK(pthread_create(&thread, NULL, begin, &beginning) == 0);
    while (atomic_load(&beginning.thread) == 0 || state_of(atomic_load(&beginning.thread)) != 'S')
        sched_yield();
    return thread;
}

long long micros(void)
{
    struct timeval now;
    CHECK(host.gettimeofday(U, &now, NULL) == 0);
    return now.tv_sec * 1000000LL + now.tv_usec;
}

int option_int(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    CHECK(host.getsockopt(U, fd, level, name, &value, &len) == 0);
    CHECK(len == sizeof value);
    return value;
}
