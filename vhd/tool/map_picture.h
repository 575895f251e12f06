// Pictures of a map: one row of cells for each layer of a chain, darker where more of it is used.
#pragma once

#include <string>
#include <vector>

#include "vhd/tool/map.h"

namespace viridian::vhd::tool {

// How much of each cell of the disk comes from each layer.
class MapPicture {
 public:
  MapPicture(uint64_t size_bytes, size_t layers, size_t cells);

  void add(const MapExtent& extent);

  // 0 to 1.
  double share(size_t layer, size_t cell) const;
  uint64_t bytes(size_t layer) const { return bytes_[layer]; }
  size_t cells() const { return cells_; }
  uint64_t size_bytes() const { return size_; }

 private:
  uint64_t begin_of(size_t cell) const;

  uint64_t size_;
  size_t cells_;
  std::vector<std::vector<uint64_t>> used_;  // bytes, of each layer and cell
  std::vector<uint64_t> bytes_;              // that come from each layer
};

// Columns that `text` takes on a terminal.
size_t width_of(const std::string& text);
// Columns of the terminal on standard output, or of $COLUMNS, or 80.
size_t terminal_columns();

// Lines of at most `columns` columns; `labels` are the layers'.
std::string text_picture(const MapPicture& picture, const std::vector<std::string>& labels,
                         size_t columns);
// Cells that leave room for the labels.
size_t text_cells(const std::vector<std::string>& labels, size_t columns);

std::string svg_picture(const MapPicture& picture, const std::vector<std::string>& labels);

}  // namespace viridian::vhd::tool
