/*
 * What SOL_MPTCP gives, field by field and rule by rule, as text for a test to compare.
 *
 * Built as it is, it asks the kernel, and takes the layouts from the kernel's headers. Built with
 * WITH_UMPTCP it asks the stack behind umptcp.h. It prints:
 *
 *   field STRUCTURE NAME OFFSET SIZE
 *   raw STAGE OPTION BYTES
 *   rule STAGE OPTION OPTLEN NUMBERS = RESULT OPTLEN NUMBERS
 *
 * A stage is new, listening, connected or fallen. NUMBERS are the 32-bit numbers at the start of the
 * value, before and after the call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_UMPTCP
#include "umptcp.h"
static struct ump_stack *client, *server;
#define SERVER_ADDRESS "10.0.0.2"
#define SOCK_CLIENT(protocol) ump_socket(client, AF_INET, SOCK_STREAM, protocol)
#define SOCK_SERVER(protocol) ump_socket(server, AF_INET, SOCK_STREAM, protocol)
#define SOCK_BIND ump_bind
#define SOCK_LISTEN ump_listen
#define SOCK_CONNECT ump_connect
#define SOCK_ACCEPT ump_accept
#define SOCK_SEND ump_send
#define SOCK_RECV ump_recv
#define SOCK_GETSOCKOPT ump_getsockopt
#define SOCK_GETSOCKNAME ump_getsockname
#define SOCK_CLOSE ump_close
#define SOCK_IOCTL ump_ioctl
#else
#define SERVER_ADDRESS "127.0.0.1"
#define SOCK_CLIENT(protocol) socket(AF_INET, SOCK_STREAM, protocol)
#define SOCK_SERVER SOCK_CLIENT
#define SOCK_BIND bind
#define SOCK_LISTEN listen
#define SOCK_CONNECT connect
#define SOCK_ACCEPT accept
#define SOCK_SEND send
#define SOCK_RECV recv
#define SOCK_GETSOCKOPT getsockopt
#define SOCK_GETSOCKNAME getsockname
#define SOCK_CLOSE close
#define SOCK_IOCTL ioctl
#endif

#include <arpa/inet.h>
#include <linux/mptcp.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/version.h>
#include <net/if.h>
#include <netinet/in.h>

#define NUMBER_OF_MPTCP 262
#define LEVEL_OF_MPTCP 284

/* linux/mptcp.h has it from Linux 6.5 on. */
#define OPTION_FULL_INFO 4
#define FULL_INFO_POINTERS 24

#define FIELD(type, name) \
	printf("field %s %s %zu %zu\n", #type, #name, offsetof(struct type, name), \
	       sizeof(((struct type *)0)->name))

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void print_fields(void)
{
	FIELD(mptcp_info, mptcpi_subflows);
	FIELD(mptcp_info, mptcpi_add_addr_signal);
	FIELD(mptcp_info, mptcpi_add_addr_accepted);
	FIELD(mptcp_info, mptcpi_subflows_max);
	FIELD(mptcp_info, mptcpi_add_addr_signal_max);
	FIELD(mptcp_info, mptcpi_add_addr_accepted_max);
	FIELD(mptcp_info, mptcpi_flags);
	FIELD(mptcp_info, mptcpi_token);
	FIELD(mptcp_info, mptcpi_write_seq);
	FIELD(mptcp_info, mptcpi_snd_una);
	FIELD(mptcp_info, mptcpi_rcv_nxt);
	FIELD(mptcp_info, mptcpi_local_addr_used);
	FIELD(mptcp_info, mptcpi_local_addr_max);
	FIELD(mptcp_info, mptcpi_csum_enabled);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	FIELD(mptcp_info, mptcpi_retransmits);
	FIELD(mptcp_info, mptcpi_bytes_retrans);
	FIELD(mptcp_info, mptcpi_bytes_sent);
	FIELD(mptcp_info, mptcpi_bytes_received);
	FIELD(mptcp_info, mptcpi_bytes_acked);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	FIELD(mptcp_info, mptcpi_subflows_total);
	FIELD(mptcp_info, mptcpi_last_data_sent);
	FIELD(mptcp_info, mptcpi_last_data_recv);
	FIELD(mptcp_info, mptcpi_last_ack_recv);
#endif
	FIELD(mptcp_subflow_data, size_subflow_data);
	FIELD(mptcp_subflow_data, num_subflows);
	FIELD(mptcp_subflow_data, size_kernel);
	FIELD(mptcp_subflow_data, size_user);
	FIELD(tcp_info, tcpi_state);
	FIELD(tcp_info, tcpi_ca_state);
	FIELD(tcp_info, tcpi_retransmits);
	FIELD(tcp_info, tcpi_probes);
	FIELD(tcp_info, tcpi_backoff);
	FIELD(tcp_info, tcpi_options);
	FIELD(tcp_info, tcpi_rto);
	FIELD(tcp_info, tcpi_ato);
	FIELD(tcp_info, tcpi_snd_mss);
	FIELD(tcp_info, tcpi_rcv_mss);
	FIELD(tcp_info, tcpi_unacked);
	FIELD(tcp_info, tcpi_sacked);
	FIELD(tcp_info, tcpi_lost);
	FIELD(tcp_info, tcpi_retrans);
	FIELD(tcp_info, tcpi_fackets);
	FIELD(tcp_info, tcpi_last_data_sent);
	FIELD(tcp_info, tcpi_last_ack_sent);
	FIELD(tcp_info, tcpi_last_data_recv);
	FIELD(tcp_info, tcpi_last_ack_recv);
	FIELD(tcp_info, tcpi_pmtu);
	FIELD(tcp_info, tcpi_rcv_ssthresh);
	FIELD(tcp_info, tcpi_rtt);
	FIELD(tcp_info, tcpi_rttvar);
	FIELD(tcp_info, tcpi_snd_ssthresh);
	FIELD(tcp_info, tcpi_snd_cwnd);
	FIELD(tcp_info, tcpi_advmss);
	FIELD(tcp_info, tcpi_reordering);
	FIELD(tcp_info, tcpi_rcv_rtt);
	FIELD(tcp_info, tcpi_rcv_space);
	FIELD(tcp_info, tcpi_total_retrans);
	FIELD(tcp_info, tcpi_pacing_rate);
	FIELD(tcp_info, tcpi_max_pacing_rate);
	FIELD(tcp_info, tcpi_bytes_acked);
	FIELD(tcp_info, tcpi_bytes_received);
	FIELD(tcp_info, tcpi_segs_out);
	FIELD(tcp_info, tcpi_segs_in);
	FIELD(tcp_info, tcpi_notsent_bytes);
	FIELD(tcp_info, tcpi_min_rtt);
	FIELD(tcp_info, tcpi_data_segs_in);
	FIELD(tcp_info, tcpi_data_segs_out);
	FIELD(tcp_info, tcpi_delivery_rate);
	FIELD(tcp_info, tcpi_busy_time);
	FIELD(tcp_info, tcpi_rwnd_limited);
	FIELD(tcp_info, tcpi_sndbuf_limited);
	FIELD(tcp_info, tcpi_delivered);
	FIELD(tcp_info, tcpi_delivered_ce);
	FIELD(tcp_info, tcpi_bytes_sent);
	FIELD(tcp_info, tcpi_bytes_retrans);
	FIELD(tcp_info, tcpi_dsack_dups);
	FIELD(tcp_info, tcpi_reord_seen);
	FIELD(tcp_info, tcpi_rcv_ooopack);
	FIELD(tcp_info, tcpi_snd_wnd);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	FIELD(tcp_info, tcpi_rcv_wnd);
	FIELD(tcp_info, tcpi_rehash);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	FIELD(tcp_info, tcpi_total_rto);
	FIELD(tcp_info, tcpi_total_rto_recoveries);
	FIELD(tcp_info, tcpi_total_rto_time);
#endif
}

/* One call: the option, the length, and the numbers at the start of the value. */
struct rule {
	int option;
	socklen_t len;
	int count;
	uint32_t numbers[6];
};

static const struct rule rules[] = {
	{ 0, 8, 0, { 0 } },
	{ 5, 8, 0, { 0 } },
	{ 1, 0, 0, { 0 } },
	{ 1, 13, 0, { 0 } },
	{ 1, 96, 0, { 0 } },
	{ 1, 500, 0, { 0 } },
	{ 2, 0, 4, { 16, 0, 0, 280 } },
	{ 2, 15, 4, { 16, 0, 0, 280 } },
	{ 2, 16, 4, { 16, 0, 0, 280 } },
	{ 2, 295, 4, { 16, 0, 0, 280 } },
	{ 2, 296, 4, { 16, 0, 0, 280 } },
	{ 2, 2000, 4, { 16, 0, 0, 280 } },
	{ 2, 2000, 4, { 16, 0, 0, 1000 } },
	{ 2, 2000, 4, { 24, 0, 0, 1000 } },
	{ 2, 100, 4, { 20, 0, 0, 4 } },
	{ 2, 100, 4, { 16, 0, 0, 0 } },
	{ 2, 100, 4, { 15, 0, 0, 4 } },
	{ 2, 100, 4, { 101, 0, 0, 4 } },
	{ 2, 100, 4, { 0x80000000, 0, 0, 4 } },
	{ 2, 100, 4, { 16, 1, 0, 4 } },
	{ 2, 100, 4, { 16, 0, 1, 4 } },
	{ 2, 100, 4, { 16, 0, 0, 0x80000000 } },
	{ 3, 15, 4, { 16, 0, 0, 256 } },
	{ 3, 271, 4, { 16, 0, 0, 256 } },
	{ 3, 272, 4, { 16, 0, 0, 256 } },
	{ 3, 2000, 4, { 16, 0, 0, 1000 } },
	{ 3, 2000, 4, { 32, 0, 0, 28 } },
	{ 3, 100, 4, { 16, 1, 0, 4 } },
	{ 3, 100, 4, { 16, 0, 1, 4 } },
	{ 4, 0, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 39, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 40, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 60, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 136, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 500, 6, { 0, 280, 0, 264, 0, 2 } },
	{ 4, 136, 6, { 0, 1000, 0, 1000, 0, 2 } },
	{ 4, 136, 6, { 0, 0, 0, 4, 0, 2 } },
	{ 4, 136, 6, { 0, 280, 0, 264, 0, 0 } },
	{ 4, 136, 6, { 1, 280, 0, 264, 0, 2 } },
	{ 4, 136, 6, { 0, 280, 1, 264, 0, 2 } },
	{ 4, 136, 6, { 0, 280, 0, 264, 1, 2 } },
	{ 4, 136, 6, { 0, 0x80000000, 0, 264, 0, 2 } },
	{ 4, 136, 6, { 0, 280, 0, 0x80000000, 0, 2 } },
};

/* Room for the arrays of full_info, and for any value. */
static unsigned char subflow_info[264 * 2], tcp_infos[280 * 2], value[2048];

static void try_rule(const char *stage, int fd, const struct rule *rule)
{
	void *pointers[2] = { subflow_info, tcp_infos };
	socklen_t len = rule->len;
	int i, error;

	memset(value, 0, sizeof(value));
	memcpy(value, rule->numbers, sizeof(rule->numbers[0]) * rule->count);
	if (rule->option == OPTION_FULL_INFO)
		memcpy(value + FULL_INFO_POINTERS, pointers, sizeof(pointers));
	error = SOCK_GETSOCKOPT(fd, LEVEL_OF_MPTCP, rule->option, value, &len) ? errno : 0;
	printf("rule %s %d %u", stage, rule->option, (unsigned int)rule->len);
	for (i = 0; i < rule->count; i++)
		printf(" %u", rule->numbers[i]);
	printf(" = %d %u", error, error ? 0 : (unsigned int)len);
	for (i = 0; !error && i < rule->count; i++) {
		uint32_t number;

		memcpy(&number, value + i * sizeof(number), sizeof(number));
		printf(" %u", number);
	}
	printf("\n");
}

static void print_raw(const char *stage, int fd, int level, int option, const char *name)
{
	socklen_t i, len = 1000;

	if (SOCK_GETSOCKOPT(fd, level, option, value, &len))
		return;
	printf("raw %s %s ", stage, name);
	for (i = 0; i < len; i++)
		printf("%02x", value[i]);
	printf("\n");
}

static void look_at(const char *stage, int fd)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		try_rule(stage, fd, &rules[i]);
	print_raw(stage, fd, LEVEL_OF_MPTCP, MPTCP_INFO, "MPTCP_INFO");
	print_raw(stage, fd, IPPROTO_TCP, TCP_INFO, "TCP_INFO");
}

#ifndef WITH_UMPTCP
/* The kernel's loopback device is down in a new network namespace. */
static void prepare(void)
{
	struct ifreq request;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, "lo");
	request.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		fail("loopback");
	close(fd);
}
#else
/* Two hosts with one link between them, as there is one subflow over the loopback device. */
static void prepare(void)
{
	if (ump_stack_new_pair("10.0.0.1;version=1", "10.0.0.2;version=1", &client, &server))
		fail("stacks");
}
#endif

/* A connection to a listener of this protocol; gives both ends. */
static int connect_to(int protocol, int *accepted)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int listener = SOCK_SERVER(protocol);
	int fd = SOCK_CLIENT(NUMBER_OF_MPTCP);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = inet_addr(SERVER_ADDRESS);
	if (listener < 0 || fd < 0)
		fail("socket");
	if (SOCK_BIND(listener, (struct sockaddr *)&address, len) || SOCK_LISTEN(listener, 5) ||
	    SOCK_GETSOCKNAME(listener, (struct sockaddr *)&address, &len) ||
	    SOCK_CONNECT(fd, (struct sockaddr *)&address, len))
		fail("connect");
	*accepted = SOCK_ACCEPT(listener, NULL, NULL);
	if (*accepted < 0)
		fail("accept");
	SOCK_CLOSE(listener);
	return fd;
}

int main(void)
{
	char buffer[8];
	int fd, peer, unacked = 1;

	prepare();
	print_fields();
	fd = SOCK_CLIENT(NUMBER_OF_MPTCP);
	if (fd < 0)
		fail("socket");
	look_at("new", fd);
	if (SOCK_LISTEN(fd, 5))
		fail("listen");
	look_at("listening", fd);
	SOCK_CLOSE(fd);

	fd = connect_to(NUMBER_OF_MPTCP, &peer);
	if (SOCK_SEND(fd, "hello", 5, 0) != 5 || SOCK_RECV(peer, buffer, 5, MSG_WAITALL) != 5 ||
	    SOCK_SEND(peer, "yes", 3, 0) != 3 || SOCK_RECV(fd, buffer, 3, MSG_WAITALL) != 3)
		fail("transfer");
	while (unacked)
		if (SOCK_IOCTL(fd, SIOCOUTQ, &unacked))
			fail("SIOCOUTQ");
	look_at("connected", fd);
	SOCK_CLOSE(peer);
	SOCK_CLOSE(fd);

	fd = connect_to(IPPROTO_TCP, &peer);
	look_at("fallen", fd);
	SOCK_CLOSE(peer);
	SOCK_CLOSE(fd);
	return 0;
}
