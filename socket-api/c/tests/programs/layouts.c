/* Struct layouts and numbers: those of API reference 8.1 and, for Linux's, 4.3; and nothing clashes with the
 * headers of the C library and of Linux. */

#include <linux/mptcp.h>
#include <netinet/tcp.h>
#include <assert.h>
#include <stddef.h>
#include <umptcp.h>

#define LAYS(type, member, offset) static_assert(offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, size) static_assert(sizeof(type) == (size), #type)

SIZE(ump_sub_status, 2);
LAYS(ump_sub_status, id, 0);
LAYS(ump_sub_status, flags, 1);
SIZE(ump_sub_ids, 2);
LAYS(ump_sub_ids, sub_count, 0);
SIZE(ump_sub_prio, 2);
LAYS(ump_sub_prio, low_prio, 1);
SIZE(ump_close_sub_id, 8);
LAYS(ump_close_sub_id, id, 0);
LAYS(ump_close_sub_id, how, 4);
SIZE(ump_sub_tuple, 8);
LAYS(ump_sub_tuple, id, 0);
LAYS(ump_sub_tuple, prio, 1);
LAYS(ump_sub_tuple, if_idx, 4);
SIZE(ump_sub_getsockopt, 32);
LAYS(ump_sub_getsockopt, level, 4);
LAYS(ump_sub_getsockopt, optname, 8);
LAYS(ump_sub_getsockopt, optval, 16);
LAYS(ump_sub_getsockopt, optlen, 24);
SIZE(ump_sub_setsockopt, 32);
LAYS(ump_sub_setsockopt, optval, 16);
LAYS(ump_sub_setsockopt, optlen, 24);

SIZE(ump_sub_event, 8);
LAYS(ump_sub_event, error, 4);
SIZE(ump_address_event, 4);

SIZE(ump_mptcp_info, 96);
LAYS(ump_mptcp_info, mptcpi_extra_subflows, 0);
LAYS(ump_mptcp_info, mptcpi_limit_add_addr_accepted, 5);
LAYS(ump_mptcp_info, mptcpi_flags, 8);
LAYS(ump_mptcp_info, mptcpi_token, 12);
LAYS(ump_mptcp_info, mptcpi_write_seq, 16);
LAYS(ump_mptcp_info, mptcpi_snd_una, 24);
LAYS(ump_mptcp_info, mptcpi_rcv_nxt, 32);
LAYS(ump_mptcp_info, mptcpi_local_addr_used, 40);
LAYS(ump_mptcp_info, mptcpi_csum_enabled, 42);
LAYS(ump_mptcp_info, mptcpi_retransmits, 44);
LAYS(ump_mptcp_info, mptcpi_bytes_retrans, 48);
LAYS(ump_mptcp_info, mptcpi_bytes_acked, 72);
LAYS(ump_mptcp_info, mptcpi_subflows_total, 80);
LAYS(ump_mptcp_info, reserved, 83);
LAYS(ump_mptcp_info, mptcpi_last_data_sent, 84);
LAYS(ump_mptcp_info, mptcpi_last_ack_recv, 92);
SIZE(ump_subflow_data, 16);
SIZE(ump_subflow_addrs, 256);
SIZE(ump_subflow_info, 264);
LAYS(ump_subflow_info, addrs, 8);
SIZE(ump_full_info, 136);
LAYS(ump_full_info, subflow_info, 24);
LAYS(ump_full_info, tcp_info, 32);
LAYS(ump_full_info, mptcp_info, 40);

/* Those of Linux that this system's header has too are the same. */
static_assert(sizeof(struct mptcp_subflow_data) == sizeof(ump_subflow_data), "mptcp_subflow_data");
static_assert(sizeof(struct mptcp_subflow_addrs) == sizeof(ump_subflow_addrs), "mptcp_subflow_addrs");
static_assert(offsetof(struct mptcp_info, mptcpi_rcv_nxt) == offsetof(ump_mptcp_info, mptcpi_rcv_nxt),
              "mptcp_info");
static_assert(MPTCP_INFO == UMP_MPTCP_INFO, "MPTCP_INFO");
static_assert(MPTCP_TCPINFO == UMP_MPTCP_TCPINFO, "MPTCP_TCPINFO");
static_assert(MPTCP_SUBFLOW_ADDRS == UMP_MPTCP_SUBFLOW_ADDRS, "MPTCP_SUBFLOW_ADDRS");
static_assert(UMP_IPPROTO_MPTCP == 262 && UMP_SOL_MPTCP == 284, "numbers of Linux");
static_assert(UMP_GET_SUB_IDS == 66 && UMP_SET_SUB_PRIO == 73, "numbers of the prototype");

int main(void)
{
    return 0;
}
