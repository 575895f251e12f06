#include "vhd/tool/map_picture.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <cwchar>

#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kMaxLabel = 24;
constexpr size_t kLeastCells = 16;
constexpr const char* kShades[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// A share that is not zero is seen, and one that is not whole is not taken for it.
size_t shade_of(double share) {
  if (share <= 0) return 0;
  if (share >= 1) return 8;
  return std::clamp<size_t>(static_cast<size_t>(std::lround(share * 8)), 1, 7);
}

// The multibyte functions go by the thread's locale: UTF-8 for a moment, whatever the program has.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

// Calls `use(bytes, columns)` for each character until it returns false.
template <class Use>
void each_character(const std::string& text, Use&& use) {
  const Utf8Locale locale;
  std::mbstate_t state{};
  for (size_t at = 0; at < text.size();) {
    wchar_t character = 0;
    const size_t length = std::mbrtowc(&character, text.data() + at, text.size() - at, &state);
    const bool good = length != 0 && length <= text.size() - at;
    if (!good) state = {};
    const int columns = good ? ::wcwidth(character) : 1;
    const size_t bytes = good ? length : 1;
    if (!use(bytes, static_cast<size_t>(std::max(columns, 0)))) return;
    at += bytes;
  }
}

// The end of a name says more than its beginning.
std::string shortened(const std::string& label, size_t columns) {
  const size_t width = width_of(label);
  if (width <= columns) return label + std::string(columns - width, ' ');
  size_t skipped_bytes = 0;
  size_t skipped = 0;
  each_character(label, [&](size_t bytes, size_t wide) {
    if (width - skipped + 1 <= columns) return false;
    skipped_bytes += bytes;
    skipped += wide;
    return true;
  });
  return "…" + label.substr(skipped_bytes) + std::string(columns - 1 - (width - skipped), ' ');
}

size_t label_columns(const std::vector<std::string>& labels) {
  size_t most = 0;
  for (const std::string& label : labels)
    most = std::max(most, width_of(label));
  return std::min(most, kMaxLabel);
}

std::string xml_escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

MapPicture::MapPicture(uint64_t size_bytes, size_t layers, size_t cells)
    : size_(std::max<uint64_t>(size_bytes, 1)),
      cells_(std::clamp<size_t>(cells, 1, 1u << 16)),
      used_(layers, std::vector<uint64_t>(cells_)),
      bytes_(layers) {}

uint64_t MapPicture::begin_of(size_t cell) const {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(size_) * cell / cells_);
}

void MapPicture::add(const MapExtent& extent) {
  if (extent.layer == kNoLayer || extent.zero || extent.layer >= used_.size()) return;
  bytes_[extent.layer] += extent.length;
  const uint64_t end = extent.start + extent.length;
  auto cell = static_cast<size_t>(static_cast<unsigned __int128>(extent.start) * cells_ / size_);
  for (; cell < cells_ && begin_of(cell) < end; ++cell) {
    const uint64_t from = std::max(extent.start, begin_of(cell));
    const uint64_t to = std::min(end, begin_of(cell + 1));
    if (to > from) used_[extent.layer][cell] += to - from;
  }
}

double MapPicture::share(size_t layer, size_t cell) const {
  const uint64_t whole = begin_of(cell + 1) - begin_of(cell);
  if (whole == 0) return 0;
  return static_cast<double>(used_[layer][cell]) / static_cast<double>(whole);
}

size_t width_of(const std::string& text) {
  size_t width = 0;
  each_character(text, [&](size_t, size_t columns) {
    width += columns;
    return true;
  });
  return width;
}

size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* text = std::getenv("COLUMNS"); text != nullptr) {
    size_t columns = 0;
    const std::string_view view(text);
    std::from_chars(view.data(), view.data() + view.size(), columns);
    if (columns > 0) return std::min<size_t>(columns, 1000);
  }
  return 80;
}

size_t text_cells(const std::vector<std::string>& labels, size_t columns) {
  // label, space, bar, cells, bar, space, "1023.9 GiB"
  const size_t taken = label_columns(labels) + 3 + 1 + 10;
  return columns > taken + kLeastCells ? columns - taken : kLeastCells;
}

std::string text_picture(const MapPicture& picture, const std::vector<std::string>& labels,
                         size_t columns) {
  const size_t label_width = label_columns(labels);
  std::string out;
  for (size_t layer = 0; layer < labels.size(); ++layer) {
    out += shortened(labels[layer], label_width) + " │";
    for (size_t cell = 0; cell < picture.cells(); ++cell)
      out += kShades[shade_of(picture.share(layer, cell))];
    out += fmt::format("│ {}\n", size_text(picture.bytes(layer)));
  }
  const uint64_t each = picture.size_bytes() / picture.cells();
  const std::string scale = fmt::format("one cell is {}", size_text(each));
  if (label_width + 2 + scale.size() <= columns) {
    out += std::string(label_width + 2, ' ') + scale + "\n";
  }
  return out;
}

std::string svg_picture(const MapPicture& picture, const std::vector<std::string>& labels) {
  constexpr int kRow = 28;
  constexpr int kBar = 18;
  constexpr int kLeft = 200;
  constexpr int kWidth = 1000;
  const int height = static_cast<int>(labels.size()) * kRow + kRow;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kLeft + kWidth + 100, height);
  const double step = static_cast<double>(kWidth) / static_cast<double>(picture.cells());
  for (size_t layer = 0; layer < labels.size(); ++layer) {
    const int y = static_cast<int>(layer) * kRow + 6;
    out += fmt::format("<text x=\"8\" y=\"{}\">{}</text>\n", y + 13,
                       xml_escaped(shortened(labels[layer], kMaxLabel)));
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#eee\"/>\n<g "
        "fill=\"#2563a8\">\n",
        kLeft, y, kWidth, kBar);
    for (size_t cell = 0; cell < picture.cells();) {
      const size_t shade = shade_of(picture.share(layer, cell));
      const size_t begin = cell;
      while (cell < picture.cells() && shade_of(picture.share(layer, cell)) == shade)
        ++cell;
      if (shade == 0) continue;
      out += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" opacity=\"{:.3f}\"/>\n",
          kLeft + step * static_cast<double>(begin), y, step * static_cast<double>(cell - begin),
          kBar, static_cast<double>(shade) / 8);
    }
    out += fmt::format("</g>\n<text x=\"{}\" y=\"{}\">{}</text>\n", kLeft + kWidth + 8, y + 13,
                       size_text(picture.bytes(layer)));
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\">0</text>\n", kLeft, height - 10);
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n</svg>\n",
                     kLeft + kWidth, height - 10, size_text(picture.size_bytes()));
  return out;
}

}  // namespace viridian::vhd::tool
