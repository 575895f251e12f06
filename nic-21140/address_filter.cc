#include "nic-21140/address_filter.h"

#include <algorithm>

#include "nic-21140/crc.h"
#include "nic-21140/csr_spec.h"

namespace viridian::tulip {
namespace {

constexpr unsigned kWordBits = 16, kWordsPerAddress = 3;

// The first byte on the wire is the lowest.
uint64_t number_of(AddressFilter::Address address) {
  uint64_t value = 0;
  for (unsigned i = 0; i < kAddressBytes; ++i)
    value |= std::to_integer<uint64_t>(address[i]) << (8 * i);
  return value;
}

uint64_t address_at(const SetupFrame& frame, unsigned word) {
  uint64_t value = 0;
  for (unsigned i = 0; i < kWordsPerAddress; ++i)
    value |= uint64_t{frame.words[word + i].get() & 0xFFFF} << (kWordBits * i);
  return value;
}

}  // namespace

void AddressFilter::load(uint32_t control, const SetupFrame& frame) noexcept {
  const bool low = (control & tdes1::kFilterType0) != 0;
  const bool high = (control & tdes1::kFilterType1) != 0;
  mode_ = high ? (low ? FilterMode::kHashOnly : FilterMode::kInverse)
               : (low ? FilterMode::kHash : FilterMode::kPerfect);
  hash_.reset();
  if (!low) {
    count_ = kSetupAddresses;
    for (unsigned i = 0; i < count_; ++i)
      addresses_[i] = address_at(frame, kWordsPerAddress * i);
    return;
  }
  count_ = mode_ == FilterMode::kHash ? 1 : 0;
  addresses_[0] = address_at(frame, kSetupHashAddress);
  for (unsigned word = 0; word < kSetupHashWords; ++word) {
    for (unsigned bit = 0; bit < kWordBits; ++bit)
      hash_[kWordBits * word + bit] = (frame.words[word].get() >> bit & 1) != 0;
  }
}

bool AddressFilter::listed(uint64_t address) const noexcept {
  const auto end = addresses_.begin() + count_;
  return std::find(addresses_.begin(), end, address) != end;
}

bool AddressFilter::accepts(Address destination) const noexcept {
  switch (mode_) {
    case FilterMode::kPerfect:
      return listed(number_of(destination));
    case FilterMode::kInverse:
      return !listed(number_of(destination));
    case FilterMode::kHash:
      return is_multicast(destination) ? hash_[address_hash(destination)]
                                       : listed(number_of(destination));
    case FilterMode::kHashOnly:
      return hash_[address_hash(destination)];
  }
  return false;
}

uint32_t AddressFilter::csr6_bits() const noexcept {
  switch (mode_) {
    case FilterMode::kPerfect:
      return 0;
    case FilterMode::kHash:
      return csr6::kHashPerfect;
    case FilterMode::kInverse:
      return csr6::kInverse;
    case FilterMode::kHashOnly:
      return csr6::kHashPerfect | csr6::kHashOnly;
  }
  return 0;
}

}  // namespace viridian::tulip
