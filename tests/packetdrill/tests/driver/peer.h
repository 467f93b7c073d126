/* The plug-in under test, and a peer that talks to it. */

#ifndef PEER_H
#define PEER_H

#include "interface.h"
#include "packet.h"

#include <errno.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                              \
    do {                                                                                         \
        errno = 0;                                                                               \
        if (!(what)) {                                                                           \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #what, errno); \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

/* The call fails with this errno. */
#define FAILS(call, wanted)          \
    do {                             \
        CHECK((call) == -1);         \
        CHECK_ERRNO(#call, wanted);  \
    } while (0)

#define CHECK_ERRNO(call, wanted)                                                              \
    do {                                                                                       \
        if (errno != (wanted)) {                                                               \
            fprintf(stderr, "%s:%d: %s: errno %d, not %s\n", __FILE__, __LINE__, call, errno, \
                    #wanted);                                                                  \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* The host of this scenario. */
extern struct packetdrill_interface host;
#define U host.userdata

void start(const char *flags);

/* One side of a connection, as the peer sees it. */
struct peer {
    struct place here, there;
    uint32_t seq, ack;
};

struct place place(const char *address, uint16_t port);
socklen_t to_sockaddr(struct place, struct sockaddr_storage *);

/* Waits for the next packet, which must be there. */
struct segment next(void);
/* Nothing comes. */
void nothing(void);
/* The time at which the last packet left. */
extern long long last_micros;

void transmit(const struct segment *);
/* A segment of this peer, with these flags and nothing else. */
struct segment from_peer(const struct peer *, uint8_t flags);
/* Sends data, and moves on. */
void send_data(struct peer *, const char *text);
/* Takes a segment with this payload, acknowledges it, and moves on. */
void expect_data(struct peer *, const char *text);
/* Sends a SYN with an MSS and these further options, takes the SYN/ACK and gives it. */
struct segment open_to(struct peer *, const uint8_t *options, size_t len);
/* The whole handshake of plain TCP. */
void connect_to(struct peer *, const char *here, const char *there, uint16_t port);

/* A socket that listens at this address and port. */
int listening(int protocol, const char *address, uint16_t port);
/* Starts a thread, and waits until it sleeps in a call of the host. */
pthread_t sleeping(void *(*run)(void *), void *argument);

long long micros(void);
int option_int(int fd, int level, int name);

#endif
