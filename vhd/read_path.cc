// ChainDisk: where the sectors of a read come from.
#include <cstring>

#include "vhd/chain_disk.h"

namespace viridian::vhd {

// Looks for extent's sectors in one layer and cuts the extent to what can be said about all of it.
// True: found, or known to be in no layer below. False: the layers below decide.
bool ChainDisk::resolve_in(uint32_t index, uint64_t sector, Extent& extent) noexcept {
  const Layer& layer = layers_[index];
  extent.layer = index;
  extent.kind = Extent::Kind::kZero;
  if (sector >= layer.sector_count()) return true;  // a parent that is smaller than its child
  extent.sectors = std::min(extent.sectors, layer.sector_count() - sector);
  if (!layer.is_sparse()) {
    extent.kind = Extent::Kind::kFile;
    extent.offset = sector * kSectorBytes;
    return true;
  }
  extent.sectors = std::min(extent.sectors, layer.block_end(sector) - sector);
  if (!layer.is_allocated(layer.block_of(sector))) return !layer.has_parent();

  extent.unit = layer.unit_of(sector);
  extent.sectors = std::min(extent.sectors, layer.unit_end(sector) - sector);
  if (!layer.is_full(extent.unit)) {
    const BitmapSlot* slot = cache_.find(index, extent.unit);
    if (slot == nullptr || slot->state != BitmapSlot::State::kReady) {
      extent.kind = Extent::Kind::kBitmapNeeded;
      return true;
    }
    const auto first = static_cast<uint32_t>(sector - (extent.unit << layer.unit_shift()));
    const BitRun run = run_of_bits(slot->bits, first, static_cast<uint32_t>(extent.sectors));
    extent.sectors = run.length;
    if (!run.set) return !layer.has_parent();
  }
  extent.kind = Extent::Kind::kFile;
  extent.offset = layer.data_offset(sector);
  return true;
}

ChainDisk::Extent ChainDisk::resolve(uint64_t sector, uint64_t sectors,
                                     uint32_t first_layer) noexcept {
  Extent extent{Extent::Kind::kZero, 0, sectors, 0, 0};
  uint32_t layer = first_layer;
  if (layer == 0 && merged_count_ > 0) {
    const uint64_t block = layers_[0].block_of(sector);
    layer = first_layer_[block].load();
    extent.sectors = std::min(sectors, layers_[0].block_end(sector) - sector);
  }
  for (; layer < layers_.size(); ++layer) {
    if (resolve_in(layer, sector, extent)) return extent;
  }
  extent.kind = Extent::Kind::kZero;
  return extent;
}

// --- for views: only what is published, from any thread ------------------------------------------

// What can be said of the first of the sectors, and of how many more.
ChainDisk::PublishedRun ChainDisk::published_piece(uint64_t sector, uint64_t sectors,
                                                   bool for_write) const noexcept {
  using Kind = PublishedRun::Kind;
  uint32_t index = 0;
  if (!for_write && merged_count_ > 0) {
    index = first_layer_[layers_[0].block_of(sector)].load();
    sectors = std::min(sectors, layers_[0].block_end(sector) - sector);
  }
  for (; index < layers_.size(); ++index) {
    const Layer& layer = layers_[index];
    if (sector >= layer.sector_count()) break;
    sectors = std::min(sectors, layer.sector_count() - sector);
    if (!layer.is_sparse()) return {Kind::kFile, index, sectors, sector * kSectorBytes};
    sectors = std::min(sectors, layer.block_end(sector) - sector);
    const uint32_t place = layer.place(layer.block_of(sector));  // once: it may change
    if (place == kUnusedEntry) {
      if (for_write) return {};
      if (layer.has_parent()) continue;
      break;
    }
    sectors = std::min(sectors, layer.unit_end(sector) - sector);
    if (!layer.is_full(layer.unit_of(sector))) return {};
    return {Kind::kFile, index, sectors, layer.data_offset(sector, place)};
  }
  return {Kind::kZero, 0, sectors, 0};
}

ChainDisk::PublishedRun ChainDisk::published_run(uint64_t sector, uint64_t sectors,
                                                 bool for_write) const noexcept {
  PublishedRun run = published_piece(sector, sectors, for_write);
  while (run.kind != PublishedRun::Kind::kUnknown && run.sectors < sectors) {
    const PublishedRun next =
        published_piece(sector + run.sectors, sectors - run.sectors, for_write);
    const bool follows = next.kind == run.kind && next.layer == run.layer &&
                         (run.kind == PublishedRun::Kind::kZero ||
                          next.offset == run.offset + run.sectors * kSectorBytes);
    if (!follows) return {};
    run.sectors += next.sectors;
  }
  return run;
}

ChainDisk::Step ChainDisk::read_step(Operation& operation) noexcept {
  const uint64_t left =
      operation.known_sectors > 0 ? operation.known_sectors : operation.end - operation.sector;
  Extent extent = resolve(operation.sector, left, operation.layer);
  switch (extent.kind) {
    case Extent::Kind::kBitmapNeeded:
      operation.layer = extent.layer;
      operation.known_sectors = extent.sectors;
      return load_bitmap(operation, extent.layer, extent.unit);
    case Extent::Kind::kZero:
      io::zero_iovecs(operation.request->data.subspan(operation.part), operation.skip,
                      extent.sectors * kSectorBytes);
      move_on(operation, extent.sectors);
      return Step::kNext;
    case Extent::Kind::kFile:
      break;
  }
  Fragment* fragment = take_fragment(operation);
  if (fragment == nullptr) return Step::kParked;
  // What follows directly in the same file is read with it.
  for (uint64_t at = operation.sector + extent.sectors; at < operation.end;) {
    const Extent next = resolve(at, operation.end - at);
    if (next.kind != Extent::Kind::kFile || next.layer != extent.layer ||
        next.offset != extent.offset + extent.sectors * kSectorBytes) {
      break;
    }
    extent.sectors += next.sectors;
    at += next.sectors;
  }
  start_transfer(operation, *fragment, io::FileOp::kRead, layers_[extent.layer], extent.offset,
                 extent.sectors);
  return Step::kNext;
}

}  // namespace viridian::vhd
