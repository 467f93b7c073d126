#include "packet.h"

#include <string.h>
#include <sys/socket.h>

enum { TCP = 6, TCP_HEADER = 20, MPTCP = 30 };

uint64_t get(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

void put(uint8_t *bytes, int count, uint64_t value)
{
    for (int i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> 8 * (count - 1 - i));
}

/* RFC 1071. */
static uint32_t sum(const uint8_t *bytes, size_t len, uint32_t start)
{
    for (size_t i = 0; i < len; i++)
        start += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return start;
}

static uint16_t folded(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static size_t address_len(int family)
{
    return family == AF_INET ? 4 : 16;
}

/* RFC 9293 section 3.1: over a pseudo header, the header and the payload. */
static uint16_t tcp_checksum(const struct segment *s, const uint8_t *tcp, size_t len)
{
    size_t address = address_len(s->from.family);
    uint32_t total = sum(s->from.address, address, TCP + (uint32_t)len);
    total = sum(s->to.address, address, total);
    return folded(sum(tcp, len, total));
}

static size_t build_ip(const struct segment *s, uint8_t *packet, size_t tcp_len)
{
    if (s->from.family == AF_INET) {
        memset(packet, 0, 20);
        packet[0] = 0x45;
        put(packet + 2, 2, 20 + tcp_len);
        packet[8] = 64;
        packet[9] = TCP;
        memcpy(packet + 12, s->from.address, 4);
        memcpy(packet + 16, s->to.address, 4);
        put(packet + 10, 2, folded(sum(packet, 20, 0)));
        return 20;
    }
    memset(packet, 0, 40);
    packet[0] = 0x60;
    put(packet + 4, 2, tcp_len);
    packet[6] = TCP;
    packet[7] = 64;
    memcpy(packet + 8, s->from.address, 16);
    memcpy(packet + 24, s->to.address, 16);
    return 40;
}

size_t build(const struct segment *s, uint8_t *packet)
{
    size_t options = (s->options_len + 3) / 4 * 4;
    size_t tcp_len = TCP_HEADER + options + s->payload_len;
    uint8_t *tcp = packet + build_ip(s, packet, tcp_len);

    memset(tcp, 0, TCP_HEADER);
    put(tcp, 2, s->from.port);
    put(tcp + 2, 2, s->to.port);
    put(tcp + 4, 4, s->seq);
    put(tcp + 8, 4, s->ack);
    tcp[12] = (uint8_t)((TCP_HEADER + options) / 4 << 4);
    tcp[13] = s->flags;
    put(tcp + 14, 2, s->window);
    /* NOPs fill the last word. */
    memset(tcp + TCP_HEADER, 1, options);
    memcpy(tcp + TCP_HEADER, s->options, s->options_len);
    if (s->payload_len)
        memcpy(tcp + TCP_HEADER + options, s->payload, s->payload_len);
    put(tcp + 16, 2, tcp_checksum(s, tcp, tcp_len));
    return (size_t)(tcp - packet) + tcp_len;
}

static const uint8_t *parse_ip(const uint8_t *packet, size_t len, struct segment *s)
{
    size_t header = len && packet[0] >> 4 == 4 ? 20 : 40;
    size_t address, at;

    if (len < header + TCP_HEADER)
        return NULL;
    if (header == 20) {
        if (packet[0] != 0x45 || get(packet + 2, 2) != len || packet[9] != TCP ||
            folded(sum(packet, 20, 0)) != 0)
            return NULL;
        s->from.family = AF_INET;
        at = 12;
    } else {
        if (packet[0] >> 4 != 6 || get(packet + 4, 2) != len - 40 || packet[6] != TCP)
            return NULL;
        s->from.family = AF_INET6;
        at = 8;
    }
    s->to.family = s->from.family;
    address = address_len(s->from.family);
    memcpy(s->from.address, packet + at, address);
    memcpy(s->to.address, packet + at + address, address);
    return packet + header;
}

int parse(const uint8_t *packet, size_t len, struct segment *s)
{
    memset(s, 0, sizeof *s);
    const uint8_t *tcp = parse_ip(packet, len, s);
    if (!tcp)
        return -1;
    size_t tcp_len = len - (size_t)(tcp - packet);
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_HEADER || header > tcp_len || tcp_checksum(s, tcp, tcp_len) != 0)
        return -1;
    s->from.port = (uint16_t)get(tcp, 2);
    s->to.port = (uint16_t)get(tcp + 2, 2);
    s->seq = (uint32_t)get(tcp + 4, 4);
    s->ack = (uint32_t)get(tcp + 8, 4);
    s->flags = tcp[13];
    s->window = (uint16_t)get(tcp + 14, 2);
    s->options_len = header - TCP_HEADER;
    memcpy(s->options, tcp + TCP_HEADER, s->options_len);
    s->payload = tcp + header;
    s->payload_len = tcp_len - header;
    return 0;
}

static const uint8_t *find(const struct segment *s, uint8_t kind, int subtype)
{
    size_t at = 0;
    while (at < s->options_len && s->options[at] != 0) {
        const uint8_t *option = s->options + at;
        size_t len = option[0] == 1 ? 1 : at + 1 < s->options_len ? option[1] : 0;
        if (len == 0 || at + len > s->options_len || (option[0] != 1 && len < 2))
            return NULL;
        if (option[0] == kind && (subtype < 0 || (len > 2 && option[2] >> 4 == subtype)))
            return option;
        at += len;
    }
    return NULL;
}

const uint8_t *option_of(const struct segment *s, uint8_t kind)
{
    return find(s, kind, -1);
}

const uint8_t *mptcp_option_of(const struct segment *s, uint8_t subtype)
{
    return find(s, MPTCP, subtype);
}
