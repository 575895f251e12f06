#include "netvsp/flow_hash.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_thash.h>

#include <array>
#include <cstring>

#include "vswitch/frame.h"

namespace viridian::netvsp {
namespace {

using vswitch::kEthernetHeaderBytes;

// The tuple in the order of the wire, as host words: what rte_softrss() takes.
struct Tuple {
  std::array<uint32_t, 9> words;
  uint32_t count = 0;

  void add(const void* bytes, size_t length) noexcept {
    const auto* from = static_cast<const std::byte*>(bytes);
    for (size_t i = 0; i < length; i += sizeof(uint32_t)) {
      uint32_t word = 0;
      std::memcpy(&word, from + i, sizeof(word));
      words[count++] = rte_be_to_cpu_32(word);
    }
  }
};

void add_ports(const rte_mbuf& frame, uint32_t at, Tuple& tuple) noexcept {
  if (at + 4 <= frame.data_len) tuple.add(rte_pktmbuf_mtod_offset(&frame, const void*, at), 4);
}

}  // namespace

std::optional<uint32_t> flow_hash(const rte_mbuf& frame, const HashKey& key) noexcept {
  Tuple tuple;
  if (frame.data_len < kEthernetHeaderBytes + sizeof(rte_ipv4_hdr)) return {};
  const auto* ethernet = rte_pktmbuf_mtod(&frame, const rte_ether_hdr*);
  if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv4_hdr*, kEthernetHeaderBytes);
    tuple.add(&ip->src_addr, 8);
    const bool is_piece =
        (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0;
    if (ip->next_proto_id == IPPROTO_TCP && !is_piece)
      add_ports(frame, kEthernetHeaderBytes + rte_ipv4_hdr_len(ip), tuple);
  } else if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
    if (frame.data_len < kEthernetHeaderBytes + sizeof(rte_ipv6_hdr)) return {};
    const auto* ip = rte_pktmbuf_mtod_offset(&frame, const rte_ipv6_hdr*, kEthernetHeaderBytes);
    tuple.add(ip->src_addr, 32);
    if (ip->proto == IPPROTO_TCP)
      add_ports(frame, kEthernetHeaderBytes + sizeof(rte_ipv6_hdr), tuple);
  } else {
    return {};
  }
  return rte_softrss(tuple.words.data(), tuple.count, key.bytes.data());
}

}  // namespace viridian::netvsp
