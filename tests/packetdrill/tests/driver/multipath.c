/* MPTCP of version 1 (RFC 8684). */

#include "peer.h"
#include "scenarios.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43
#endif

/* Subtypes of MPTCP options (RFC 8684 section 8.2). */
enum { MP_CAPABLE = 0, DSS = 2, ADD_ADDR = 3 };

/* Two keys, with the last 64 bits of their SHA-256: the initial data sequence numbers (3.1). */
static const uint64_t peer_key = 0x0102030405060708, peer_idsn = 0xf5a101d3d29d6f72;
static const uint64_t host_key = 0x1112131415161718, host_idsn = 0x535beea38e087c8e;

/* MP_CAPABLE of a SYN: version 1, flag H, no key (3.1). */
static const uint8_t capable[] = {30, 4, 0x01, 0x01};

/* MP_CAPABLE of the third packet: both keys. */
static void add_keys(struct segment *s)
{
    uint8_t *option = s->options + s->options_len;
    memcpy(option, (uint8_t[]){30, 20, 0x01, 0x01}, 4);
    put(option + 4, 8, peer_key);
    put(option + 12, 8, host_key);
    s->options_len += 20;
}

/* DSS with a DATA_ACK and, if `len` is not 0, a mapping, both of 8 bytes (3.3). */
static void add_dss(struct segment *s, uint64_t data_ack, uint64_t dsn, uint32_t ssn, size_t len)
{
    uint8_t *option = s->options + s->options_len;
    option[0] = 30;
    option[1] = len ? 26 : 12;
    option[2] = DSS << 4;
    option[3] = len ? 0x0f : 0x03;
    put(option + 4, 8, data_ack);
    if (len) {
        put(option + 12, 8, dsn);
        put(option + 20, 4, ssn);
        put(option + 24, 2, len);
    }
    s->options_len += option[1];
}

/* The DATA_ACK of a DSS, whatever its size, as the low 32 bits. */
static uint32_t data_ack_of(const uint8_t *dss)
{
    CHECK(dss[3] & 0x01);
    return (uint32_t)(dss[3] & 0x02 ? get(dss + 4, 8) : get(dss + 4, 4));
}

void mptcp_passive(void)
{
    struct peer p = {.here = place("198.51.100.1", 40000),
                     .there = place("192.0.2.1", 8080),
                     .seq = 1000};
    char buffer[20];

    start("local=192.0.2.1 key=0x1112131415161718 seed=1 accept_versions=1");
    int server = listening(IPPROTO_MPTCP, "192.0.2.1", 8080);
    struct segment s = open_to(&p, capable, sizeof capable);
    const uint8_t *option = mptcp_option_of(&s, MP_CAPABLE);
    CHECK(option && option[1] == 12 && (option[2] & 0x0f) == 1 && option[3] & 0x01);
    CHECK(get(option + 4, 8) == host_key);

    s = from_peer(&p, ACK);
    add_keys(&s);
    transmit(&s);
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(fd >= 0);
    CHECK(option_int(fd, IPPROTO_TCP, TCP_IS_MPTCP) == 1);

    /* The peer's first data: DSN and subflow sequence number are one after the initial ones. */
    s = from_peer(&p, ACK | PSH);
    s.payload = (const uint8_t *)"multipath";
    s.payload_len = 9;
    add_dss(&s, host_idsn + 1, peer_idsn + 1, 1, 9);
    transmit(&s);
    p.seq += 9;
    CHECK(host.read(U, fd, buffer, sizeof buffer) == 9 && memcmp(buffer, "multipath", 9) == 0);
    do {
        s = next();
        option = mptcp_option_of(&s, DSS);
    } while (!option || s.ack != p.seq);
    CHECK(data_ack_of(option) == (uint32_t)(peer_idsn + 10));

    /* Ours. */
    CHECK(host.write(U, fd, "answer", 6) == 6);
    do {
        s = next();
    } while (s.payload_len == 0);
    CHECK(s.payload_len == 6 && memcmp(s.payload, "answer", 6) == 0 && s.seq == p.ack);
    option = mptcp_option_of(&s, DSS);
    CHECK(option && option[3] & 0x04);
    const uint8_t *mapping = option + 4 + (option[3] & 0x01 ? (option[3] & 0x02 ? 8 : 4) : 0);
    int dsn_len = option[3] & 0x08 ? 8 : 4;
    CHECK((uint32_t)get(mapping, dsn_len) == (uint32_t)(host_idsn + 1));
    CHECK(get(mapping + dsn_len, 4) == 1 && get(mapping + dsn_len + 4, 2) == 6);
    p.ack += 6;
    s = from_peer(&p, ACK);
    add_dss(&s, host_idsn + 7, 0, 0, 0);
    transmit(&s);

    /* A DATA_FIN ends the stream, and takes a sequence number of its own (3.3.3). */
    CHECK(host.shutdown(U, fd, SHUT_WR) == 0);
    do {
        s = next();
        option = mptcp_option_of(&s, DSS);
    } while (!option || !(option[3] & 0x10));
    s = from_peer(&p, ACK);
    add_dss(&s, host_idsn + 8, 0, 0, 0);
    transmit(&s);
    CHECK(option_int(fd, SOL_SOCKET, SO_ERROR) == 0);
    CHECK(host.close(U, fd) == 0);
}

/* Endpoints in the flags are announced to the peer. */
void mptcp_announces(void)
{
    struct peer p = {.here = place("198.51.100.1", 40000),
                     .there = place("192.0.2.1", 8080),
                     .seq = 1000};
    const uint8_t *option;

    start("local=192.0.2.1 key=0x1112131415161718 announce=192.0.2.2");
    int server = listening(IPPROTO_MPTCP, "192.0.2.1", 8080);
    open_to(&p, capable, sizeof capable);
    struct segment s = from_peer(&p, ACK);
    add_keys(&s);
    transmit(&s);
    CHECK(host.accept(U, server, NULL, NULL) >= 0);
    s = from_peer(&p, ACK | PSH);
    s.payload = (const uint8_t *)"x";
    s.payload_len = 1;
    add_dss(&s, host_idsn + 1, peer_idsn + 1, 1, 1);
    transmit(&s);
    do {
        s = next();
        option = mptcp_option_of(&s, ADD_ADDR);
    } while (!option);
    /* Id, address, HMAC (3.4.1). */
    const uint8_t address[] = {192, 0, 2, 2};
    CHECK(option[1] == 16 && option[3] != 0 && memcmp(option + 4, address, 4) == 0);
}

void mptcp_falls_back(void)
{
    struct peer p;
    char buffer[10];

    start("local=192.0.2.1");
    int server = listening(IPPROTO_MPTCP, "192.0.2.1", 8080);
    /* A peer that knows no MPTCP. */
    connect_to(&p, "198.51.100.1", "192.0.2.1", 8080);
    int fd = host.accept(U, server, NULL, NULL);
    CHECK(fd >= 0 && option_int(fd, IPPROTO_TCP, TCP_IS_MPTCP) == 0);
    send_data(&p, "plain");
    CHECK(host.read(U, fd, buffer, sizeof buffer) == 5);

    /* A socket of plain TCP offers none and takes none. */
    server = listening(IPPROTO_TCP, "192.0.2.1", 8081);
    struct peer q = {.here = place("198.51.100.1", 40001),
                     .there = place("192.0.2.1", 8081),
                     .seq = 7};
    struct segment s = open_to(&q, capable, sizeof capable);
    CHECK(mptcp_option_of(&s, MP_CAPABLE) == NULL);

    struct sockaddr_storage to;
    socklen_t len = to_sockaddr(place("198.51.100.1", 8080), &to);
    for (int multipath = 0; multipath < 2; multipath++) {
        int protocol = multipath ? IPPROTO_MPTCP : IPPROTO_TCP;
        fd = host.socket(U, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, protocol);
        FAILS(host.connect(U, fd, (struct sockaddr *)&to, len), EINPROGRESS);
        do {
            s = next();
        } while (s.flags != SYN);
        CHECK((mptcp_option_of(&s, MP_CAPABLE) != NULL) == multipath);
    }
}
