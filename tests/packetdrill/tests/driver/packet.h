/* TCP segments as packets and as values, for a peer that is made of bytes. */

#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>
#include <stdint.h>

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

/* An address of either family, with a port. */
struct place {
    int family;
    uint8_t address[16];
    uint16_t port;
};

struct segment {
    struct place from, to;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint8_t options[40];
    size_t options_len;
    const uint8_t *payload;
    size_t payload_len;
};

/* Writes the packet with its checksums; gives its length. */
size_t build(const struct segment *, uint8_t *packet);

/* Reads a packet; 0 if its lengths and checksums are right. The payload stays where it is. */
int parse(const uint8_t *packet, size_t len, struct segment *);

/* The first option of this kind, or of this subtype of MPTCP; NULL if there is none. */
const uint8_t *option_of(const struct segment *, uint8_t kind);
const uint8_t *mptcp_option_of(const struct segment *, uint8_t subtype);

uint64_t get(const uint8_t *bytes, int count);
void put(uint8_t *bytes, int count, uint64_t value);

#endif
